#include <csignal>
#include <iostream>

#include "app/cli.h"

int main(int argc, char** argv) {
  // A file beyond `ulimit -f` is then a failed write with its sentence, and not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  return thaw::run(argc, argv, std::cout, std::cerr);
}
