// The micro works in Go, on one processor: micro WORK N prints its row.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// How long a work is measured at least, in CPU time.
var least = 200 * time.Millisecond

// CPU time of all threads of this process.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		fail("getrusage failed")
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func fail(what string) {
	fmt.Fprintln(os.Stderr, what)
	os.Exit(1)
}

func printTime(work string, n int, spent time.Duration, items int) {
	fmt.Printf("row %s go %d time %.1f ns\n", work, n, float64(spent.Nanoseconds())/float64(items))
}

// Calls body(rounds) with more and more rounds until it takes long enough; it returns the items.
func measure(work string, n int, body func(rounds int) int) {
	for rounds := 1; ; {
		begin := cpuTime()
		items := body(rounds)
		spent := cpuTime() - begin
		if spent >= least {
			printTime(work, n, spent, items)
			return
		}
		factor := 10
		if spent > least/10 {
			factor = int(least*3/2/spent) + 1
		}
		rounds *= factor
	}
}

func main() {
	if len(os.Args) < 3 {
		fail("micro WORK N [quick]")
	}
	n, _ := strconv.Atoi(os.Args[2])
	if n < 1 {
		fail("a size is a number from 1")
	}
	if len(os.Args) > 3 {
		least /= 20
	}
	runtime.GOMAXPROCS(1)
	works := map[string]func(string, int){
		"switch": switching, "spawn_one": spawnOne, "spawn_warm": spawnWarm, "spawn_cold": spawnCold,
		"mutex_free": mutexFree, "mutex": mutex, "condition": condition, "queue": queue,
		"channel": channel, "depth": depth, "timer_rearm": rearm, "timer_fire": fire,
		"sleepers": sleepers,
	}
	run, found := works[os.Args[1]]
	if !found {
		fail("there is no work " + os.Args[1])
	}
	run(os.Args[1], n)
}
