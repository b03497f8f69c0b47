// The note by which the Go linker marks its programs.
    .section .note.go.buildid, "a", @note
    .balign 4
    .long 4, 4, 4
    .asciz "Go\0"
    .long 0
    .section .note.GNU-stack, "", @progbits
