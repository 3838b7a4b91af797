#include "weights/manifest.h"

#include <algorithm>
#include <array>

namespace thaw {
namespace {

constexpr std::string_view old_resnet =
    "it is the ResNet50 file of before 2019 (layers named res2a_branch2a, another order, made for batch norms with "
    "epsilon 1e-3), which gives wrong results in today's ResNet50; use the file of the same name from "
    "storage.googleapis.com/tensorflow/keras-applications/resnet (md5 4d473c1dd8becc155b73f8504c6f6626 without top)";
constexpr std::string_view old_mobilenet =
    "it is the no_top file of TensorFlow 2.7 and older, with one layer (Conv_2) too many; use the file whose name "
    "ends in _no_top_v2.h5";
constexpr std::string_view other_variant =
    "it is a MobileNetV3 of width 0.75 or of the minimalistic kind, which thaw does not build; use the file of width "
    "1.0 (weights_mobilenet_v3_{large,small}_224_1.0_float_no_top_v2.h5)";

constexpr std::array files{
    KnownFile{"resnet50_weights_tf_dim_ordering_tf_kernels.h5", "2cb95161c43110f7111970584f804107", "resnet50", true,
              ""},
    KnownFile{"resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", "4d473c1dd8becc155b73f8504c6f6626", "resnet50",
              false, "", 94'765'736},
    KnownFile{"weights_mobilenet_v3_large_224_1.0_float.h5", "59e551e166be033d707958cf9e29a6a7", "mobilenet_v3_large",
              true, ""},
    KnownFile{"weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5", "07fb09a5933dd0c8eaafa16978110389",
              "mobilenet_v3_large", false, "", 12'683'000},
    KnownFile{"weights_mobilenet_v3_small_224_1.0_float.h5", "8768d4c2e7dee89b9d02b2d03d65d862", "mobilenet_v3_small",
              true, ""},
    KnownFile{"weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5", "d3e8ec802a04aa4fc771ee12a9a9b836",
              "mobilenet_v3_small", false, "", 4'334'752},

    KnownFile{"resnet50_weights_tf_dim_ordering_tf_kernels.h5", "a7b3fe01876f51b976af0dea6bc144eb", "resnet50_2017",
              true, old_resnet},
    KnownFile{"resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", "a268eb855778b3df3c7506639542a6af",
              "resnet50_2017", false, old_resnet},
    KnownFile{"weights_mobilenet_v3_large_224_1.0_float_no_top.h5", "037116398e07f018c0005ffcb0406831",
              "mobilenet_v3_large_tf27", false, old_mobilenet},
    KnownFile{"weights_mobilenet_v3_small_224_1.0_float_no_top.h5", "be7100780f875c06bcab93d76641aa26",
              "mobilenet_v3_small_tf27", false, old_mobilenet},

    KnownFile{"weights_mobilenet_v3_large_224_0.75_float.h5", "765b44a33ad4005b3ac83185abf1d0eb",
              "mobilenet_v3_large_0.75", true, other_variant},
    KnownFile{"weights_mobilenet_v3_large_224_0.75_float_no_top_v2.h5", "40af19a13ebea4e2ee0c676887f69a2e",
              "mobilenet_v3_large_0.75", false, other_variant},
    KnownFile{"weights_mobilenet_v3_large_minimalistic_224_1.0_float.h5", "675e7b876c45c57e9e63e6d90a36599c",
              "mobilenet_v3_large_minimalistic", true, other_variant},
    KnownFile{"weights_mobilenet_v3_large_minimalistic_224_1.0_float_no_top_v2.h5", "ec5221f64a2f6d1ef965a614bdae7973",
              "mobilenet_v3_large_minimalistic", false, other_variant},
    KnownFile{"weights_mobilenet_v3_small_224_0.75_float.h5", "cb65d4e5be93758266aa0a7f2c6708b7",
              "mobilenet_v3_small_0.75", true, other_variant},
    KnownFile{"weights_mobilenet_v3_small_224_0.75_float_no_top_v2.h5", "ebdb5cc8e0b497cd13a7c275d475c819",
              "mobilenet_v3_small_0.75", false, other_variant},
    KnownFile{"weights_mobilenet_v3_small_minimalistic_224_1.0_float.h5", "99cd97fb2fcdad2bf028eb838de69e37",
              "mobilenet_v3_small_minimalistic", true, other_variant},
    KnownFile{"weights_mobilenet_v3_small_minimalistic_224_1.0_float_no_top_v2.h5", "cde8136e733e811080d9fcd8a252f7e4",
              "mobilenet_v3_small_minimalistic", false, other_variant},
};

struct LayerCount {
  std::size_t layers;
  std::string_view description;
};

// Weighted layers (convolutions, batch norms, dense) without and with the ImageNet classifier.
constexpr std::array layer_counts{
    LayerCount{106, "resnet50"},
    LayerCount{107, "resnet50 with its ImageNet classifier"},
    LayerCount{108, "mobilenet_v3_large"},
    LayerCount{109, "mobilenet_v3_large as saved by TensorFlow 2.7 and older"},
    LayerCount{110, "mobilenet_v3_large with its ImageNet classifier"},
    LayerCount{92, "mobilenet_v3_large, minimalistic"},
    LayerCount{86, "mobilenet_v3_small"},
    LayerCount{87, "mobilenet_v3_small as saved by TensorFlow 2.7 and older"},
    LayerCount{88, "mobilenet_v3_small with its ImageNet classifier"},
    LayerCount{68, "mobilenet_v3_small, minimalistic"},
};

template <class Predicate>
const KnownFile* find_file(Predicate predicate) {
  const auto* found = std::find_if(files.begin(), files.end(), predicate);
  return found == files.end() ? nullptr : found;
}

}  // namespace

std::span<const KnownFile> known_files() { return files; }

const KnownFile* known_file_by_md5(std::string_view md5) {
  return find_file([&](const KnownFile& file) { return file.md5 == md5; });
}

const KnownFile* known_file_by_name(std::string_view file_name) {
  return find_file([&](const KnownFile& file) { return file.trap.empty() && file.file_name == file_name; });
}

const KnownFile* known_file_of_model(std::string_view model_id, bool include_top) {
  return find_file([&](const KnownFile& file) {
    return file.trap.empty() && file.model_id == model_id && file.include_top == include_top;
  });
}

std::string download_url(const KnownFile& file) {
  if (!file.trap.empty()) return {};
  const std::string_view folder = file.model_id.starts_with("resnet") ? "resnet/" : "mobilenet_v3/";
  return std::string("https://storage.googleapis.com/tensorflow/keras-applications/")
      .append(folder)
      .append(file.file_name);
}

std::string_view model_with_weighted_layers(std::size_t count) {
  const auto* found =
      std::find_if(layer_counts.begin(), layer_counts.end(), [&](const LayerCount& c) { return c.layers == count; });
  return found == layer_counts.end() ? std::string_view{} : found->description;
}

}  // namespace thaw
