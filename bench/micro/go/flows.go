package main

import (
	"runtime"
	"sync"
)

// n goroutines that do nothing but give way to the next.
func switching(work string, n int) {
	stop, turns := false, 0
	var others sync.WaitGroup
	others.Add(n - 1)
	for i := 1; i < n; i++ {
		go func() {
			defer others.Done()
			for !stop {
				turns++
				runtime.Gosched()
			}
		}()
	}
	runtime.Gosched()
	measure(work, n, func(rounds int) int {
		turns = 0
		for i := 0; i < rounds; i++ {
			turns++
			runtime.Gosched()
		}
		return turns
	})
	stop = true
	others.Wait()
}

func spawnOne(work string, n int) {
	measure(work, n, func(rounds int) int {
		ran := 0
		ended := make(chan struct{})
		for i := 0; i < rounds; i++ {
			go func() {
				ran++
				ended <- struct{}{}
			}()
			<-ended
		}
		if ran != rounds {
			fail("not all ran")
		}
		return rounds
	})
}

func batch(n int) {
	ran := 0
	var all sync.WaitGroup
	for i := 0; i < n; i++ {
		all.Add(1)
		go func() {
			ran++
			all.Done()
		}()
	}
	all.Wait()
	if ran != n {
		fail("not all ran")
	}
}

func spawnWarm(work string, n int) {
	batch(n)
	measure(work, n, func(rounds int) int {
		for i := 0; i < rounds; i++ {
			batch(n)
		}
		return rounds * n
	})
}

func spawnCold(work string, n int) {
	begin := cpuTime()
	batch(n)
	printTime(work, n, cpuTime()-begin, n)
}

//go:noinline
func descend(levels int) int {
	if levels == 0 {
		runtime.Gosched()
		return 0
	}
	return descend(levels-1) + 1
}

// n calls down, a switch, n returns.
func depth(work string, n int) {
	stop, turns := false, 0
	ended := make(chan struct{})
	go func() {
		for !stop {
			turns++
			descend(n)
		}
		close(ended)
	}()
	measure(work, n, func(rounds int) int {
		turns = 0
		for i := 0; i < rounds; i++ {
			turns++
			descend(n)
		}
		return turns
	})
	stop = true
	<-ended
}
