// An ISO C file may not be empty.
typedef int nothing;
