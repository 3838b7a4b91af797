#include <iostream>

#include "app/cli.h"

int main(int argc, char** argv) { return thaw::run(argc, argv, std::cout, std::cerr); }
