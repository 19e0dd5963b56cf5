package sockets

import (
	"container/heap"
	"sync"
	"time"
)

// TODO(1C): the store: what each key holds, and until when.
// BEGIN SOLUTION

// A store holds keys and values. Its zero value is empty. One mutex guards it: a
// command holds it for less than a microsecond, while the network takes many for
// each command.
type store struct {
	mu    sync.Mutex
	items map[string]*item
	due   dueHeap   // the items that expire
	now   time.Time // when the present command is executed
}

// An item is a key and what it holds.
type item struct {
	key, value string
	expires    time.Time // zero: never
	place      int       // in the heap, if it expires
}

// begin makes the store ready for a command: what has expired by now is gone. mu
// is held until the command has been executed.
func (s *store) begin() {
	s.now = time.Now()
	for len(s.due) > 0 && !s.now.Before(s.due[0].expires) {
		s.remove(s.due[0])
	}
}

// set makes a key hold a value that does not expire.
func (s *store) set(key, value []byte) *item {
	it := s.items[string(key)]
	if it == nil {
		if s.items == nil {
			s.items = map[string]*item{}
		}
		it = &item{key: string(key)}
		s.items[it.key] = it
	}
	s.persist(it)
	it.value = string(value)
	return it
}

// remove removes an item.
func (s *store) remove(it *item) {
	s.persist(it)
	delete(s.items, it.key)
}

// clear removes everything.
func (s *store) clear() {
	s.items, s.due = nil, nil
}

// expireAfter gives an item d to live.
func (s *store) expireAfter(it *item, d time.Duration) {
	s.persist(it)
	it.expires = s.now.Add(d)
	heap.Push(&s.due, it)
}

// persist takes an item's end away.
func (s *store) persist(it *item) {
	if !it.expires.IsZero() {
		heap.Remove(&s.due, it.place)
		it.expires = time.Time{}
	}
}

// A dueHeap has the items that expire, the next one first, for container/heap.
type dueHeap []*item

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].expires.Before(h[j].expires) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *dueHeap) Push(x any) {
	it := x.(*item)
	it.place = len(*h)
	*h = append(*h, it)
}

func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	it := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return it
}

// END SOLUTION
