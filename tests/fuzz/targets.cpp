#include "tests/fuzz/targets.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "kernels/error.h"

namespace thaw::fuzz {
namespace fs = std::filesystem;

namespace {

constexpr std::array kTargets = {Target{"image", image},
                                 Target{"archive", archive},
                                 Target{"h5", h5},
                                 Target{"weights", weights},
                                 Target{"split", split},
                                 Target{"selector", selector},
                                 Target{"checkpoint", checkpoint},
                                 Target{"problem", problem},
                                 Target{"settings", settings},
                                 Target{"grid", grid}};

}  // namespace

std::span<const Target> targets() { return kTargets; }

const Target& target(std::string_view name) {
  const auto* found = std::find_if(kTargets.begin(), kTargets.end(), [&](const Target& t) { return t.name == name; });
  if (found == kTargets.end()) {
    fmt::print(stderr, "there is no fuzz target '{}'\n", name);
    std::exit(2);
  }
  return *found;
}

void require(bool holds, std::string_view promise) {
  if (holds) return;
  fmt::print(stderr, "broken promise: {}\n", promise);
  std::abort();
}

void expect_answer(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    const std::string_view sentence = error.what();
    require(!sentence.empty(), "an error is a sentence");
    const bool printable = std::none_of(sentence.begin(), sentence.end(), [](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return byte < 0x20 || byte == 0x7f;
    });
    require(printable, "an error holds nothing that a terminal would obey");
  }
}

void expect_typed_answer(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    require(*error.what() != '\0', "an error is a sentence");
  }
}

Scratch::Scratch() {
  const fs::path root = fs::is_directory("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
  path_ = root / fmt::format("thaw-fuzz-{}", ::getpid());
  fs::create_directories(path_);
}

Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path Scratch::put(const std::string& name, Bytes bytes) const {
  std::ofstream(path_ / name, std::ios::binary) << as_text(bytes);
  return path_ / name;
}

void Scratch::clear() const {
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) fs::remove_all(entry.path());
}

}  // namespace thaw::fuzz
