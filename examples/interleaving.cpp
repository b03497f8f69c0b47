// Where a fiber gives way decides how its steps mix with those of the others; where it does not,
// nobody comes between. One column a fiber.
#include <iostream>
#include <string>
#include <vector>

#include <vervet/vervet.hpp>

void steps(int column, bool give_way_after_a) {
  std::string indent(column, '\t');
  std::cout << indent << "[A]\n";
  if (give_way_after_a) vervet::yield();
  std::cout << indent << "[B]\n";
  vervet::yield();
  std::cout << indent << "[C]\n";
}

void table(const char* title, bool give_way_after_a) {
  std::cout << title << "\n\n(0)\t(1)\t(2)\n\n";
  std::vector<vervet::fiber<>> fibers;
  for (int column = 0; column < 3; ++column)
    fibers.push_back(vervet::spawn(steps, column, give_way_after_a));
  vervet::joinall(fibers);
}

int main() {
  table("A yield after A and after B:", true);
  std::cout << '\n';
  table("A yield after B alone:", false);
}
