// Package publish makes the repository that students get from the course's own.
//
// It writes two branches. main is the starter: skeletons, tests, handouts and
// the grader. solution is the starter with the reference solutions in place; it
// grows out of main and is never part of it. What only staff may have -
// solutions, planted bugs, hidden tests, staff workflows - is on neither.
//
// The starter is made of the files that git tracks, with these rules:
//
//   - solutions, .ci, .github, README.md, and the tests and testdata of the
//     grader are left out;
//   - what is below .github/starter is laid over the starter's root;
//   - student files are made anew from the solutions;
//   - in Markdown files, a section with the heading "For staff" is cut, and the
//     line <!-- labs --> becomes a table of the labs.
//
// Before anything is written, the starter is searched for lines of the
// solutions.
package publish

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"distsys/grader/internal/skeleton"
	"distsys/grader/internal/workspace"
)

// Options says what is published, and where to.
type Options struct {
	Labs  []string // folders; others are left out
	Out   string   // folder of the repository; one that was published before gets a new commit
	From  string   // URL of a repository with both branches, whose history a new folder goes on with; "" is none
	Dirty bool     // publish changes that are not committed
}

// Published says what a publication did.
type Published struct {
	Starter, Solution bool // the branch got a new commit
	Files             int  // in the starter
}

// Publish writes the branches. It changes nothing when it returns an error.
func Publish(ctx context.Context, w *workspace.Workspace, o Options) (*Published, error) {
	course, starter, err := prepare(ctx, w, o.Labs, o.Dirty)
	if err != nil {
		return nil, err
	}
	solution, err := solve(w.Root, o.Labs, starter)
	if err != nil {
		return nil, err
	}
	r, err := openRepository(ctx, o.Out, o.From)
	if err != nil {
		return nil, err
	}
	p := &Published{Files: len(starter)}
	message := "Labs: " + strings.Join(o.Labs, ", ") + "\n\nMade from revision " + course.revision + " of the course's repository.\n"
	main := commit{branch: "main", message: message, files: starter, seconds: course.seconds}
	if p.Starter, err = r.commit(ctx, main); err != nil {
		return nil, err
	}
	solved := commit{branch: "solution", onto: "main", message: "Reference solutions. " + message, files: solution, seconds: course.seconds}
	if p.Solution, err = r.commit(ctx, solved); err != nil {
		return nil, err
	}
	return p, r.checkOut(ctx, "main")
}

// Starter returns the starter.
func Starter(ctx context.Context, w *workspace.Workspace, labs []string, dirty bool) (Files, error) {
	_, starter, err := prepare(ctx, w, labs, dirty)
	return starter, err
}

// prepare returns the starter, in which nothing leaks.
func prepare(ctx context.Context, w *workspace.Workspace, labs []string, dirty bool) (*course, Files, error) {
	course, err := readCourse(ctx, git{dir: w.Root}, dirty)
	if err != nil {
		return nil, nil, err
	}
	starter, err := makeStarter(w, labs, course.files)
	if err != nil {
		return nil, nil, err
	}
	return course, starter, checkLeaks(w.Root, starter)
}

// solve returns the starter with the reference solutions in place.
func solve(root string, labs []string, starter Files) (Files, error) {
	solved := maps.Clone(starter)
	for _, lab := range labs {
		parts, err := skeleton.Parts(root, lab)
		if err != nil {
			return nil, err
		}
		reference, err := skeleton.GenerateParts(root, lab, parts)
		if err != nil {
			return nil, err
		}
		solved.add(lab, reference)
	}
	return solved, nil
}

// Push sends the starter to one remote repository, and both branches to
// another. An empty URL is left out; one may be the path of a folder.
func Push(ctx context.Context, out, starter, solution string) error {
	if starter != "" && starter == solution {
		return fmt.Errorf("%s is to get both the starter and the solutions: whoever reads the starter there reads the solutions", starter)
	}
	g := git{dir: out}
	for _, p := range []struct {
		url      string
		branches []string
	}{{starter, []string{"main"}}, {solution, []string{"main", "solution"}}} {
		if p.url == "" {
			continue
		}
		args := []string{"push", absolute(p.url)}
		for _, b := range p.branches {
			args = append(args, "refs/heads/"+b+":refs/heads/"+b)
		}
		if _, err := g.run(ctx, nil, args...); err != nil {
			return err
		}
	}
	return nil
}

// absolute returns the absolute path of a folder, and a true URL as it is: git
// runs in another folder than the user.
func absolute(url string) string {
	if _, err := os.Stat(url); err != nil {
		return url
	}
	path, err := filepath.Abs(url)
	if err != nil {
		return url
	}
	return path
}
