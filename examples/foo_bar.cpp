// Two fibers take turns: each runs until it lets the other go on.
#include <iostream>

#include <vervet/vervet.hpp>

void foo() {
  std::cout << "Running in foo\n";
  vervet::yield();
  std::cout << "Back in foo, by foo's own switch\n";
}

void bar() {
  std::cout << "Running in bar, because foo gave way\n";
  vervet::yield();
  std::cout << "Back in bar, because foo has ended\n";
}

int main() {
  // In braces, for those are evaluated from left to right.
  vervet::joinall({vervet::spawn(foo), vervet::spawn(bar)});
}
