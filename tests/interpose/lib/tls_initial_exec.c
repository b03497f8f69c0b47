// A library with a small initial-exec TLS block, as libc's surplus allows dlopen to take in.
__thread __attribute__((tls_model("initial-exec"))) int initial_exec_value = 77;
static __thread __attribute__((tls_model("initial-exec"))) char initial_exec_zeros[64];

int* initial_exec_address(void) { return &initial_exec_value; }

int initial_exec_is_fresh(void) {
  for (unsigned i = 0; i < sizeof initial_exec_zeros; ++i)
    if (initial_exec_zeros[i] != 0) return 0;
  return initial_exec_value == 77;
}

void initial_exec_spoil(int value) {
  initial_exec_value = value;
  for (unsigned i = 0; i < sizeof initial_exec_zeros; ++i) initial_exec_zeros[i] = 1;
}
