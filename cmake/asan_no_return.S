// The compiler calls this before functions that do not return, to unpoison the stack they abandon.
// AddressSanitizer's own asks libc where the stack is, which fails on a scratch stack or in the
// middle of a switch. What the core abandons are whole stacks; a library's own version, seen by
// that library alone, has nothing to do.
    .text
    .globl __asan_handle_no_return
    .hidden __asan_handle_no_return
    .type __asan_handle_no_return, @function
__asan_handle_no_return:
    ret
    .section .note.GNU-stack, "", @progbits
