// How fast photos become pixels: decoding, and decoding with resizing, without a network behind it.
//   thaw_bench_photos FOLDER [THREADS [SIZE]] [--json]
// FOLDER is a folder of class folders or an archive of one. Every photo is read, decoded and resized once to warm the
// file cache, then timed.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/image.h"
#include "data/parallel.h"
#include "kernels/error.h"

namespace {

using namespace thaw;

template <class Work>
double photos_a_second(int photos, int threads, const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  parallel_for(photos, threads, work);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  return photos / spent.count();
}

void run(std::vector<std::string> words) {
  const bool json = std::erase(words, "--json") > 0;
  if (words.empty()) fail(ErrorKind::usage, "usage: {}", "thaw_bench_photos FOLDER [THREADS [SIZE]] [--json]");
  const int threads = words.size() > 1 ? std::stoi(words[1]) : 0;
  const int size = words.size() > 2 ? std::stoi(words[2]) : 224;
  const Dataset dataset = Dataset::open(words[0]);
  const std::size_t floats = static_cast<std::size_t>(size) * static_cast<std::size_t>(size) * 3;
  std::vector<float> pixels(32 * floats);
  const auto load = [&](int i) { static_cast<void>(dataset.load(i)); };
  const auto prepare = [&](int i) {
    resize_bilinear(dataset.load(i), size, size, pixels.data() + static_cast<std::size_t>(i % 32) * floats);
  };
  photos_a_second(dataset.size(), threads, load);
  const double decoded = photos_a_second(dataset.size(), threads, load);
  const double prepared = photos_a_second(dataset.size(), threads, prepare);
  if (json) {
    std::printf("%s\n", nlohmann::json{{"threads", thread_count(threads)},
                                       {"photos", dataset.size()},
                                       {"decoded_a_second", decoded},
                                       {"decoded_and_resized_a_second", prepared}}
                            .dump()
                            .c_str());
    return;
  }
  std::printf("%d photos, %d threads: %.0f decoded a second, %.0f decoded and resized to %d a second\n", dataset.size(),
              thread_count(threads), decoded, prepared, size);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(std::vector<std::string>(argv + 1, argv + argc));
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
