// Makes the corpus that fuzzing starts from: `thaw_fuzz_corpus FOLDER`. Files named found-* are no part of it: each
// once broke something and was kept.
#include <fmt/format.h>

#include <array>
#include <filesystem>

#include "app/train_settings.h"
#include "data/image.h"
#include "tests/data/fixtures.h"
#include "tests/weights/fixtures.h"
#include "weights/checkpoint.h"
#include "weights/thaw_h5.h"

namespace thaw {
namespace fs = std::filesystem;

namespace {

using testing::RawFile;
using testing::StringForm;

void put_texts(const fs::path& folder, const std::vector<std::string>& texts) {
  for (std::size_t i = 0; i < texts.size(); ++i) write_bytes(folder / fmt::format("{:02}", i), texts[i]);
}

/// The photo with a comment as its first segment.
std::string with_comment(std::string jpeg) { return jpeg.insert(2, std::string("\xFF\xFE\x00\x06text", 8)); }

void make_photos(const fs::path& folder) {
  write_bytes(folder / "small.jpg", encode_jpeg(test_image(17, 9, 1), 60));
  write_bytes(folder / "fine.jpg", encode_jpeg(test_image(9, 17, 2), 95));
  write_bytes(folder / "comment.jpg", with_comment(encode_jpeg(test_image(8, 8, 3), 30)));
  write_bytes(folder / "small.png", encode_png(test_image(7, 5, 4)));
  write_bytes(folder / "wide.png", encode_png(test_image(40, 1, 5)));
  const std::string png = encode_png(test_image(7, 5, 4));
  write_bytes(folder / "truncated.png", png.substr(0, png.size() / 2));
}

void make_archives(const fs::path& folder) {
  fs::create_directories(folder);
  const std::string photo = encode_png(test_image(2, 2, 1));
  const std::vector<TarEntry> plain{
      {"f/", "", AE_IFDIR}, {"f/a/1.jpg", photo}, {"f/b/2.png", photo}, {"f/LICENSE", "x"}};
  std::vector<TarEntry> unsafe = plain;
  unsafe.push_back({"../x.jpg", "x"});
  std::vector<TarEntry> linked = plain;
  linked.push_back({"f/a/3.jpg", "", AE_IFLNK, "/etc/passwd"});
  write_archive(folder / "plain.tgz", plain);
  write_archive(folder / "plain.tar", plain);
  write_archive(folder / "unsafe.tar", unsafe);
  write_archive(folder / "linked.tar", linked);
  write_archive(folder / "long.tar", {{std::string(120, 'd') + "/" + std::string(110, 'n') + ".jpg", photo}});
}

WeightSet tiny_weights() {
  WeightSet set;
  const ModelSpec spec = testing::tiny_spec();
  set.model_id = spec.model_id;
  for (const LayerSpec& layer : spec.layers) {
    for (const TensorSpec& tensor : layer.tensors) {
      set.tensors.push_back({tensor.name, native_shape(tensor), {}});
      set.tensors.back().data.assign(static_cast<std::size_t>(element_count(tensor.keras_shape)), 0.5F);
    }
  }
  return set;
}

/// Two layers with the names of the model, in a file of HDF5's compact newer form.
void make_compact(const fs::path& path) {
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
  const hid_t group = H5Gcreate2(file, "Conv", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  const std::array<hsize_t, 2> extents{4, 6};
  const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(creation, 2, extents.data());
  H5Pset_shuffle(creation);
  H5Pset_deflate(creation, 6);
  const hid_t space = H5Screate_simple(2, extents.data(), nullptr);
  const hid_t made = H5Dcreate2(group, "w", H5T_IEEE_F32LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  const std::vector<float> values(24, 1.5F);
  H5Dwrite(made, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  H5Dclose(made);
  H5Sclose(space);
  H5Pclose(creation);
  H5Gclose(group);
  H5Fclose(file);
  H5Pclose(access);
}

/// A string attribute that points to nothing in the heap, on which HDF5 1.10.8 crashes.
void make_bad_heap(const fs::path& path) {
  { RawFile(path).strings("", "format", {"thaw-weights"}, StringForm::variable); }
  std::string bytes = testing::bytes_of(path);
  bytes.replace(bytes.find("GCOL") + 16, 2, "\xff\x3f");
  write_bytes(path, bytes);
}

void make_weights(const fs::path& h5, const fs::path& weights) {
  fs::create_directories(h5);
  fs::create_directories(weights);
  const std::vector<testing::RawLayer> one{{"Conv", {{"w:0", {3, 2}}}}};
  testing::write_raw_keras(h5 / "fixed.h5", one, StringForm::fixed);
  testing::write_raw_keras(h5 / "variable.h5", one, StringForm::variable);
  make_compact(h5 / "compact.h5");
  make_bad_heap(weights / "bad-heap.h5");
  WeightSet set;
  set.tensors = {{"w", {2}, {1, 2}}};
  write_thaw_h5(h5 / "thaw.h5", set, {{"card", "{}"}});
  testing::write_raw_keras(weights / "keras.h5", testing::tiny_layers(), StringForm::fixed);
  write_thaw_h5(weights / "thaw.h5", tiny_weights(), {{"model_card", "{}"}});
}

void make_checkpoints(const fs::path& folder) {
  fs::create_directories(folder);
  fs::remove(folder / "two.thaw");  // which would be kept as the one before
  write_checkpoint(folder / "two.thaw", {R"({"position":{"epoch":1}})", {{"a", {1, 2, 3}}, {"b", {}}}});
  std::string open = testing::bytes_of(folder / "two.thaw");
  open.resize(open.size() - 8);  // the target seals it
  write_bytes(folder / "open.thaw", open);
}

void make_corpus(const fs::path& root) {
  const h5::QuietErrors quiet;
  make_photos(root / "image");
  make_archives(root / "archive");
  make_weights(root / "h5", root / "weights");
  make_checkpoints(root / "checkpoint");
  put_texts(root / "split", {"train", "train[15%:90%]", "train[:-3]+train[10:]", "train[-10%:]",
                             "train=train[:50%],val=train[50%:75%],test=train[75%:]",
                             "test=train[9:], val=train[6:9] ,train=train[:6]"});
  put_texts(root / "selector", {"none", "all", "blocks:3", "layer:120", "glob:conv5_*",
                                "blocks:1+glob:*_?_conv + layer:7", "glob:**a*b?", "blcoks:2"});
  put_texts(root / "problem", {"n32c64h56w56_k128r3s3u2p1:bf16", "n1c8h7w7_k8r5s5g8p2+bias+residual+hard_swish:f32",
                               "n2c3h224w224_k16r3s3u2p0.1.0.1+relu6", "n1c1h1w1_k1r1s1:f64"});
  put_texts(root / "grid",
            {"title='t'\n[train]\nmodel='a'\nseed=[1,2]\nlr=1e-5\n[[run]]\nunfreeze='blocks:3'\n"
             "published={experiment=6,test_accuracy=91.5}\n[[run]]\nunfreeze=['none','all']\nflip=true\n",
             "[train]\nmodel=['a','b']\n[grid]\nexclude=[{model='a'}]\ninclude=[{epochs=3}]\n"
             "[published]\ntitle='p'\nrecommended={blocks=[2,5]}\n"});
  TrainSettings settings;
  put_texts(root / "settings", {to_json(settings).dump(), to_json(settings).dump(1), "{}", R"({"epochs":1e9})"});
}

}  // namespace
}  // namespace thaw

int main(int count, char** arguments) {
  if (count != 2) {
    fmt::print(stderr, "usage: {} FOLDER\n", arguments[0]);
    return 2;
  }
  thaw::make_corpus(arguments[1]);
}
