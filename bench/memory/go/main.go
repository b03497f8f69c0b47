// parked N: what N goroutines occupy that wait for one channel to be closed.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

func fail(what string) {
	fmt.Fprintln(os.Stderr, what)
	os.Exit(1)
}

// The number behind key in /proc/self/status, in bytes.
func status(key string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fail(err.Error())
	}
	for _, line := range strings.Split(string(text), "\n") {
		if words := strings.Fields(line); len(words) > 1 && words[0] == key {
			value, _ := strconv.ParseInt(words[1], 10, 64)
			return value * 1024
		}
	}
	fail("there is no " + key)
	return 0
}

// Returns RSS and page tables of n goroutines that wait, and whether all have woken.
func hold(n int64) (rss, tables int64, good bool) {
	var waiting, awake int64
	var ended sync.WaitGroup
	ended.Add(int(n))
	allHere := make(chan struct{})
	rss, tables = -status("VmRSS:"), -status("VmPTE:")
	for i := int64(0); i < n; i++ {
		go func() {
			atomic.AddInt64(&waiting, 1)
			<-allHere
			atomic.AddInt64(&awake, 1)
			ended.Done()
		}()
	}
	for atomic.LoadInt64(&waiting) != n {
		runtime.Gosched()
	}
	rss += status("VmRSS:")
	tables += status("VmPTE:")
	close(allHere)
	ended.Wait()
	return rss, tables, awake == n
}

func main() {
	if len(os.Args) != 2 {
		fail("parked N")
	}
	n, _ := strconv.ParseInt(os.Args[1], 10, 64)
	if n < 1 {
		fail("how many?")
	}
	_, _, first := hold(1)
	rss, tables, good := hold(n)
	if !first || !good {
		fail("not all have woken")
	}
	fmt.Printf("row parked go %d bytes %d B\n", n, (rss+tables)/n)
	fmt.Printf("row parked go %d rss %d B\n", n, rss/n)
	fmt.Printf("row parked go %d page_tables %d B\n", n, tables/n)
}
