package main

import (
	"runtime"
	"sync"
)

// Nobody else wants it.
func mutexFree(work string, n int) {
	var m sync.Mutex
	measure(work, n, func(rounds int) int {
		for i := 0; i < rounds; i++ {
			m.Lock()
			m.Unlock()
		}
		return rounds
	})
}

// Each gives way while he has it, so that the other one must wait. An item is a lock.
func mutex(work string, n int) {
	var m sync.Mutex
	stop, locks := false, 0
	hold := func() bool {
		m.Lock()
		defer m.Unlock()
		locks++
		runtime.Gosched()
		return !stop
	}
	ended := make(chan struct{})
	go func() {
		for hold() {
		}
		close(ended)
	}()
	measure(work, n, func(rounds int) int {
		locks = 0
		for i := 0; i < rounds; i++ {
			hold()
		}
		return locks
	})
	m.Lock()
	stop = true
	m.Unlock()
	<-ended
}

// They change a variable in turn and wait until the other has. An item is one change.
func condition(work string, n int) {
	var m sync.Mutex
	changed := sync.NewCond(&m)
	stop, turn := false, 0
	change := func(parity int) bool {
		m.Lock()
		defer m.Unlock()
		for turn%2 != parity && !stop {
			changed.Wait()
		}
		if stop {
			return false
		}
		turn++
		changed.Signal()
		return true
	}
	ended := make(chan struct{})
	go func() {
		for change(1) {
		}
		close(ended)
	}()
	measure(work, n, func(rounds int) int {
		before := turn
		for i := 0; i < rounds; i++ {
			change(0)
		}
		return turn - before
	})
	m.Lock()
	stop = true
	changed.Signal()
	m.Unlock()
	<-ended
}

// A queue for 128 from one to the other. An item is an item.
func queue(work string, n int) {
	items := make(chan int, 128)
	sum, received := 0, 0
	ended := make(chan struct{})
	go func() {
		for item := range items {
			sum += item
			received++
		}
		close(ended)
	}()
	sent := 0
	measure(work, n, func(rounds int) int {
		for i := 0; i < rounds; i++ {
			sent++
			items <- sent
		}
		return rounds
	})
	close(items)
	<-ended
	if received != sent || sum != sent*(sent+1)/2 {
		fail("lost items")
	}
}

// A channel without room there and one back. An item is a message.
func channel(work string, n int) {
	there, back := make(chan int), make(chan int)
	go func() {
		for asked := range there {
			back <- asked + 1
		}
	}()
	measure(work, n, func(rounds int) int {
		for i := 0; i < rounds; i++ {
			there <- i
			if <-back != i+1 {
				fail("a wrong answer")
			}
		}
		return 2 * rounds
	})
	close(there)
}
