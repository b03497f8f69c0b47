// The services in Go: a goroutine for each connection, blocking reads and writes.
//
// server echo|http|stream WORKERS: prints `listening on PORT` and serves until SIGTERM.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const (
	echoSize    = 16 << 10
	requestSize = 4 << 10
	chunks      = 8
	chunkSize   = 1 << 10
	thinkTime   = 10 * time.Millisecond
	blankLine   = "\r\n\r\n"
	helloReply  = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\n\r\n" +
		"Hello, world!"
)

// A chunk is a slice of the alphabet, over and over: it begins with letter (N + its number) % 26.
var letters = bytes.Repeat([]byte("abcdefghijklmnopqrstuvwxyz"), chunkSize/26+2)

func echo(connection net.Conn) {
	buffer := make([]byte, echoSize)
	for {
		size, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err = connection.Write(buffer[:size]); err != nil {
			return
		}
	}
}

// http answers every request, whatever it asks for: a head that ends with a blank line.
func http(connection net.Conn) {
	buffer := make([]byte, requestSize)
	reply := []byte(helloReply)
	held := 0
	for held < len(buffer) {
		size, err := connection.Read(buffer[held:])
		if err != nil {
			return
		}
		held += size
		for {
			end := bytes.Index(buffer[:held], []byte(blankLine))
			if end < 0 {
				break
			}
			held = copy(buffer, buffer[end+len(blankLine):held])
			if _, err = connection.Write(reply); err != nil {
				return
			}
		}
	}
}

// stream answers `go N` with chunks, each after some time to think.
func stream(connection net.Conn) {
	lines := bufio.NewReaderSize(connection, requestSize)
	for {
		line, err := lines.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "go ") {
			return
		}
		number, err := strconv.ParseUint(line[3:len(line)-1], 10, 64)
		if err != nil {
			return
		}
		for k := uint64(0); k < chunks; k++ {
			first := (number + k) % 26
			time.Sleep(thinkTime)
			if _, err = connection.Write(letters[first : first+chunkSize]); err != nil {
				return
			}
		}
	}
}

func main() {
	services := map[string]func(net.Conn){"echo": echo, "http": http, "stream": stream}
	workers, serve := 0, (func(net.Conn))(nil)
	if len(os.Args) == 3 {
		serve = services[os.Args[1]]
		workers, _ = strconv.Atoi(os.Args[2])
	}
	if serve == nil || workers < 1 {
		fmt.Fprintln(os.Stderr, "usage: server echo|http|stream WORKERS")
		os.Exit(2)
	}
	runtime.GOMAXPROCS(workers)

	// Its backlog is the system's limit, and its connections have TCP_NODELAY.
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening on", listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go func() {
			defer connection.Close()
			serve(connection)
		}()
	}
}
