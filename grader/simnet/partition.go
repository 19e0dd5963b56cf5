package simnet

import (
	"slices"
	"strings"

	"distsys/grader/simtest"
)

// Partition splits the network into groups: messages pass only between nodes
// that share a group. The nodes in no group form one more group together. A
// node in several groups is a bridge between them.
//
// It replaces the partition before; without groups it ends it. Cuts and
// isolated nodes stay as they are. Like all cuts, it also stops the messages
// that are under way when they come to arrive.
func (n *Network) Partition(groups ...[]string) {
	members := make([][]*Node, len(groups))
	for i, g := range groups {
		members[i] = n.known(g...)
	}
	text := n.setGroups(members)
	if len(groups) == 0 {
		n.world.Record(simtest.Event{Kind: "heal", Detail: "no partition"})
		return
	}
	n.world.Record(simtest.Event{Kind: "partition", Detail: text})
}

// setGroups returns the groups as text: "1 2 | 3 4 5".
func (n *Network) setGroups(groups [][]*Node) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, node := range n.nodes {
		node.groups = nil
	}
	for i, g := range groups {
		for _, node := range g {
			node.groups = append(node.groups, i)
		}
	}
	var others []*Node
	for _, node := range n.nodes {
		if len(node.groups) == 0 {
			others = append(others, node)
		}
	}
	if len(others) > 0 {
		groups = append(groups, others)
	}
	texts := make([]string, len(groups))
	for i, g := range groups {
		texts[i] = namesText(g)
	}
	return strings.Join(texts, " | ")
}

func namesText(nodes []*Node) string {
	names := make([]string, len(nodes))
	for i, node := range nodes {
		names[i] = node.name
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// Cut stops all messages from one node to another. Those of the other
// direction still pass.
func (n *Network) Cut(from, to string) {
	n.setCut(from, to, true)
	n.world.Record(simtest.Event{Kind: "partition", From: from, To: to, Detail: "cut"})
}

// Mend undoes Cut.
func (n *Network) Mend(from, to string) {
	n.setCut(from, to, false)
	n.world.Record(simtest.Event{Kind: "heal", From: from, To: to, Detail: "mended"})
}

func (n *Network) setCut(from, to string, cut bool) {
	ends := n.known(from, to)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.link(ends[0], ends[1]).cut = cut
}

// Isolate cuts a node off from all others, in both directions.
func (n *Network) Isolate(node string) {
	n.setIsolated(node, true)
	n.world.Record(simtest.Event{Kind: "partition", Node: node, Detail: "isolated"})
}

// Rejoin undoes Isolate.
func (n *Network) Rejoin(node string) {
	n.setIsolated(node, false)
	n.world.Record(simtest.Event{Kind: "heal", Node: node, Detail: "rejoined"})
}

func (n *Network) setIsolated(name string, isolated bool) {
	node := n.known(name)[0]
	n.mu.Lock()
	defer n.mu.Unlock()
	node.isolated = isolated
}

// Heal ends the partition, mends all cuts and lets isolated nodes rejoin.
// Crashed and paused nodes stay so.
func (n *Network) Heal() {
	n.mu.Lock()
	for _, node := range n.nodes {
		node.groups, node.isolated = nil, false
	}
	for _, l := range n.links {
		l.cut = false
	}
	n.mu.Unlock()
	n.world.Record(simtest.Event{Kind: "heal"})
}

// passes reports whether messages can travel on the link now. It is called
// with mu held.
func (l *link) passes() bool {
	if l.from == l.to {
		return true
	}
	return !l.cut && !l.from.isolated && !l.to.isolated && sameGroup(l.from.groups, l.to.groups)
}

func sameGroup(a, b []int) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return slices.ContainsFunc(a, func(g int) bool { return slices.Contains(b, g) })
}
