package mutants

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"distsys/grader/internal/patch"
	"distsys/grader/internal/rubric"
	"distsys/grader/internal/workspace"
)

// A lab is what bugs are planted in.
type lab struct {
	rubric    *rubric.Rubric
	reference workspace.Overlay
	plants    []*plant
	errors    []string // of files that hold no bug
	complete  bool     // every bug is tried with every test, or with enough of them

	mu    sync.Mutex
	spare map[string]bool // tests that a patch names, or that have caught a bug
}

// A plant is one bug on its way into the reference.
type plant struct {
	path    string            // of the patch, relative to the repository
	tests   []rubric.Test     // to be run, those that must catch it first
	named   int               // how many must catch it
	files   map[string][]byte // that it changes
	outcome Bug
}

// needed returns the lab's tests that any bug is to be tried with.
func (l *lab) needed() []rubric.Test {
	return slices.DeleteFunc(l.rubric.Tests(), func(t rubric.Test) bool {
		return !slices.ContainsFunc(l.plants, func(p *plant) bool { return slices.Contains(p.tests, t) })
	})
}

// left returns the tests that a bug is to be tried with: all of its tests or,
// when it is enough for a test to catch one bug, those that it names and those
// that have caught none.
func (l *lab) left(p *plant, once bool) []rubric.Test {
	if !once {
		return p.tests
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	tests := slices.Clone(p.tests[:p.named])
	for _, test := range p.tests[p.named:] {
		if !l.spare[test.Name] {
			tests = append(tests, test)
		}
	}
	return tests
}

// found notes tests that need not be tried any more.
func (l *lab) found(tests []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range tests {
		l.spare[name] = true
	}
}

// load reads rubrics and patches, and applies the patches.
func (t *trial) load() error {
	var errs []error
	found := 0
	for _, name := range t.options.Labs {
		l, err := t.loadLab(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found += len(l.plants) + len(l.errors)
		t.labs = append(t.labs, l)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	switch {
	case found > 0:
		return nil
	case t.options.Bugs != nil:
		return fmt.Errorf("no planted bug matches --bug %v", t.options.Bugs)
	}
	return fmt.Errorf("no planted bugs: nothing in solutions/LAB/%s for %s", folder, strings.Join(t.options.Labs, ", "))
}

func (t *trial) loadLab(name string) (*lab, error) {
	r, err := rubric.Load(t.workspace.Dir(name))
	if err != nil {
		return nil, err
	}
	if len(r.Unlisted) > 0 {
		return nil, joined(r.Unlisted)
	}
	corpus, err := readCorpus(t.workspace, name, t.options.Bugs)
	if err != nil {
		return nil, err
	}
	l := &lab{rubric: r, errors: corpus.errors, spare: map[string]bool{}}
	l.complete = t.options.Bugs == nil && t.options.Shard.Of == 0 && !t.options.Named
	if l.reference, err = t.workspace.LayReference(name); err != nil {
		return nil, err
	}
	for _, m := range corpus.mutants {
		if !t.options.Shard.HasName(m.Name) {
			continue
		}
		l.plants = append(l.plants, t.prepare(l, m, corpus))
	}
	return l, nil
}

func joined[E error](list []E) error {
	var errs []error
	for _, e := range list {
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

// prepare applies a patch.
func (t *trial) prepare(l *lab, m patch.Mutant, c *corpus) *plant {
	p := &plant{path: c.path(m), outcome: Bug{
		Name: m.Name, Bug: m.Bug, Heading: m.Heading, Named: m.CaughtBy, CaughtBy: []string{}, Status: NotRun,
	}}
	known := l.rubric.Tests()
	for _, name := range m.CaughtBy {
		if !slices.ContainsFunc(known, func(t rubric.Test) bool { return t.Name == name }) {
			p.refuse(fmt.Errorf("%s: Caught-By: %s has no graded test %s", p.path, l.rubric.Lab, name))
			return p
		}
	}
	mutated, err := patch.Apply(m, c.files)
	if err != nil {
		p.refuse(c.shorten(err))
		return p
	}
	p.files = map[string][]byte{}
	for _, name := range m.Files {
		p.files[name] = mutated[name]
	}
	p.tests, p.named = namedFirst(known, m.CaughtBy)
	l.found(m.CaughtBy)
	if t.options.Named {
		p.tests = p.tests[:p.named]
	}
	return p
}

// namedFirst sorts the tests with these names to the front, and counts them.
func namedFirst(tests []rubric.Test, names []string) (sorted []rubric.Test, named int) {
	var others []rubric.Test
	for _, t := range tests {
		if slices.Contains(names, t.Name) {
			sorted = append(sorted, t)
		} else {
			others = append(others, t)
		}
	}
	return append(sorted, others...), len(sorted)
}

func (p *plant) refuse(err error) {
	p.outcome.Status, p.outcome.Message = PatchError, err.Error()
}
