// What people write: splits and problems.
#include <algorithm>

#include "data/split.h"
#include "kernels/error.h"
#include "kernels/problem.h"
#include "tests/fuzz/targets.h"

namespace thaw::fuzz {

namespace {

/// Twelve photos in two classes. Nothing opens them, so that they may be empty.
Dataset twelve_photos() {
  static const Scratch scratch;
  for (const char* name : {"a", "b"}) {
    std::filesystem::create_directories(scratch.path() / name);
    for (int i = 0; i < 6; ++i) scratch.put(fmt::format("{}/{}.jpg", name, i), {});
  }
  return Dataset::open(scratch.path());
}

void require_indices(const std::vector<int>& indices, int n) {
  require(std::all_of(indices.begin(), indices.end(), [n](int i) { return i >= 0 && i < n; }),
          "a slice selects photos that exist");
}

}  // namespace

void split(Bytes bytes) {
  static const Dataset dataset = twelve_photos();
  expect_typed_answer([&] { require_indices(resolve_slice(as_text(bytes), 3670), 3670); });
  expect_typed_answer([&] {
    const Split split = split_dataset(dataset, as_text(bytes));
    std::vector<int> all;
    for (const auto* part : {&split.train, &split.val, &split.test}) {
      require(!part->empty(), "no part is empty");
      require_indices(*part, dataset.size());
      all.insert(all.end(), part->begin(), part->end());
    }
    std::sort(all.begin(), all.end());
    require(std::adjacent_find(all.begin(), all.end()) == all.end(), "no photo is in two parts");
  });
}

void problem(Bytes bytes) {
  expect_typed_answer([&] {
    const ConvProblem problem = ConvProblem::parse(as_text(bytes));
    require(ConvProblem::parse(problem.text()) == problem, "a problem's text reads back");
    require(problem.p() > 0 && problem.q() > 0, "a sound problem has an output");
    require(problem.input_size() > 0 && problem.output_size() > 0 && problem.filter_size() > 0,
            "a sound problem's sizes can be counted");
    require(problem.flops() > 0 && problem.bytes() > 0, "a sound problem is work");
  });
}

}  // namespace thaw::fuzz
