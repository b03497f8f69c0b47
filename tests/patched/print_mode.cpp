// Prints how it is patched; linked with vervet::patched.
#include <cstdio>

#include <vervet/patched.hpp>

int main() { std::printf("%d\n", static_cast<int>(vervet::patch_mode())); }
