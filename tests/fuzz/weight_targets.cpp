// Weight files and checkpoints. The HDF5 library itself is not instrumented, and some damaged files crash it; thaw
// meets each file in a forked child first (weights/rehearsal.h), and so do these targets: a crash that stays in the
// child is an answer.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "app/model_card.h"
#include "kernels/error.h"
#include "tests/fuzz/targets.h"
#include "tests/weights/fixtures.h"
#include "weights/checkpoint.h"
#include "weights/h5_reader.h"
#include "weights/inspect.h"
#include "weights/rehearsal.h"
#include "weights/thaw_h5.h"

namespace thaw::fuzz {
namespace fs = std::filesystem;

namespace {

constexpr h5::Limits small_limits{
    .file_bytes = 1 << 20, .tensor_bytes = 1 << 20, .total_bytes = 4 << 20, .attribute_bytes = 1 << 16, .names = 500};

void read_object(h5::Reader& file, const std::string& path) {
  expect_answer([&] { (void)file.tensor(path); });
  expect_answer([&] { (void)file.text_dataset(path); });
  expect_answer([&] { (void)file.texts(path); });
  for (const char* name : {"layer_names", "weight_names", "tensor_names"}) {
    expect_answer([&] { (void)file.text_list(path, name); });
  }
}

/// Reads every object; groups may contain each other, so that depth and number are bounded.
void walk(h5::Reader& file, const std::string& path, int depth, int& objects) {
  if (--objects < 0) return;
  require(path.empty() || file.has(path), "a child that is listed is there");
  read_object(file, path);
  if (depth == 0) return;
  expect_answer([&] {
    for (const std::string& name : file.children(path)) {
      if (h5::is_plain_path(name)) walk(file, path.empty() ? name : path + "/" + name, depth - 1, objects);
    }
  });
}

void require_finite_work(const WeightSet& set) {
  for (const NamedTensor& tensor : set.tensors) {
    require(element_count(tensor.shape) == static_cast<std::int64_t>(tensor.data.size()),
            "a tensor has as many values as its shape says");
  }
}

void read_back(const Scratch& scratch, const fs::path& file) {
  expect_answer([&] {
    std::string note;
    const Checkpoint checkpoint = read_checkpoint(file, &note);
    require(note.empty(), "a single checkpoint has none before it");
    const fs::path copy = scratch.path() / "copy.thaw";
    write_checkpoint(copy, checkpoint);
    require(read_checkpoint(copy).arrays.size() == checkpoint.arrays.size(), "a checkpoint survives being written");
  });
  scratch.clear();
}

}  // namespace

void h5(Bytes bytes) {
  static const Scratch scratch;
  const fs::path path = scratch.put("fuzzed.h5", bytes);
  const auto read = [&] {
    h5::Reader file(path, small_limits);
    int objects = 60;
    walk(file, "", 5, objects);
  };
  expect_answer([&] {
    rehearse(path, read);
    read();
  });
}

void weights(Bytes bytes) {
  static const Scratch scratch;
  static const ModelSpec spec = [] {
    ModelSpec tiny = testing::tiny_spec();
    fill_h5_names(tiny);
    return tiny;
  }();
  const fs::path path = scratch.put("fuzzed.h5", bytes);
  expect_answer([&] {
    Metadata metadata;
    require_finite_work(read_weights(path, spec, &metadata));
  });
  expect_answer([&] { (void)inspect(path).dump(); });
  expect_answer([&] { (void)read_model_card(path).metadata(); });
}

void checkpoint(Bytes bytes) {
  static const Scratch scratch;
  read_back(scratch, scratch.put("fuzzed.thaw", bytes));

  const std::uint64_t checksum = XXH3_64bits(bytes.data(), bytes.size());
  const auto* sum = reinterpret_cast<const std::uint8_t*>(&checksum);
  std::vector<std::uint8_t> sealed(bytes.begin(), bytes.end());
  sealed.insert(sealed.end(), sum, sum + sizeof(checksum));
  read_back(scratch, scratch.put("fuzzed.thaw", sealed));
}

}  // namespace thaw::fuzz
