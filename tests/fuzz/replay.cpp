// Runs one target over the files of a corpus, with any compiler: what was once found stays a test.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "kernels/files.h"
#include "tests/fuzz/targets.h"

namespace fs = std::filesystem;

int main(int count, char** arguments) {
  if (count < 3) {
    fmt::print(stderr, "usage: {} TARGET FILE-OR-FOLDER...\n", arguments[0]);
    return 2;
  }
  const thaw::fuzz::Target& target = thaw::fuzz::target(arguments[1]);
  std::vector<fs::path> files;
  for (int i = 2; i < count; ++i) {
    if (fs::is_regular_file(arguments[i])) files.emplace_back(arguments[i]);
    if (!fs::is_directory(arguments[i])) continue;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(arguments[i])) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  if (files.empty()) {
    fmt::print(stderr, "no file to replay\n");
    return 2;
  }
  std::sort(files.begin(), files.end());
  target.run({});
  for (const fs::path& file : files) {
    // Printed before it runs, so that a crash names its file; of its exact size, so that a sanitizer sees its end.
    fmt::print("{}\n", file.string());
    std::fflush(stdout);
    const std::string bytes = thaw::read_file(file);
    const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
    target.run(exact);
  }
  fmt::print("{}: {} files\n", target.name, files.size());
}
