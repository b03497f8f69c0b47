package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// xorshift64, as in timers_bench.cpp.
var state uint64 = 0x9E3779B97F4A7C15

func random() uint64 {
	state ^= state << 13
	state ^= state >> 7
	state ^= state << 17
	return state
}

// Between one and two hours.
func far() time.Duration { return time.Hour + time.Duration(random()%uint64(time.Hour)) }

// Cancels a random one of n timers and sets it anew.
func rearm(work string, n int) {
	var fired int64
	count := func() { atomic.AddInt64(&fired, 1) }
	pending := make([]*time.Timer, n)
	for i := range pending {
		pending[i] = time.AfterFunc(far(), count)
	}
	measure(work, n, func(rounds int) int {
		for turn := 0; turn < rounds; turn++ {
			i := random() % uint64(n)
			pending[i].Stop()
			pending[i] = time.AfterFunc(far(), count)
		}
		return rounds
	})
	if fired != 0 {
		fail("a timer fired that was cancelled")
	}
}

// Lets n timers fire that are due within a millisecond.
func fire(work string, n int) {
	var all sync.WaitGroup
	all.Add(n)
	due := time.Now().Add(50*time.Millisecond + time.Duration(n)*3*time.Microsecond)
	for i := 0; i < n; i++ {
		when := due.Add(time.Duration(random() % uint64(time.Millisecond)))
		time.AfterFunc(time.Until(when), all.Done)
	}
	begin := cpuTime()
	if !time.Now().Before(due) {
		fail("the first is due before the last is set")
	}
	all.Wait()
	printTime(work, n, cpuTime()-begin, n)
}

// n goroutines asleep for a second at the same time.
func sleepers(work string, n int) {
	begin, cpuBegin := time.Now(), cpuTime()
	var all sync.WaitGroup
	var woken int64
	for i := 0; i < n; i++ {
		all.Add(1)
		go func() {
			time.Sleep(time.Second)
			atomic.AddInt64(&woken, 1)
			all.Done()
		}()
	}
	all.Wait()
	if woken != int64(n) {
		fail("not all have woken")
	}
	fmt.Printf("row %s go %d elapsed %.3f s\n", work, n, time.Since(begin).Seconds())
	fmt.Printf("row %s go %d cpu %.3f s\n", work, n, (cpuTime() - cpuBegin).Seconds())
}
