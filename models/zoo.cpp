#include "models/zoo.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "kernels/error.h"
#include "kernels/nearest.h"
#include "models/builder.h"

namespace thaw {

namespace {

struct ZooEntry {
  std::string_view id;
  Preprocess preprocessing;
  bool rescaling_layer;
  void (*add_base)(NetworkBuilder&);
  void (*add_top)(NetworkBuilder&);
};

template <MobileNetSize size>
constexpr ZooEntry mobilenet_v3(std::string_view id) {
  return {id, Preprocess::minus_one_to_one(), true, [](NetworkBuilder& b) { add_mobilenet_v3_base(b, size); },
          [](NetworkBuilder& b) { add_mobilenet_v3_top(b, size); }};
}

const std::array kZoo = {
    ZooEntry{"resnet50", Preprocess::caffe(), false, add_resnet50_base, add_resnet50_top},
    mobilenet_v3<MobileNetSize::large>("mobilenet_v3_large"),
    mobilenet_v3<MobileNetSize::small>("mobilenet_v3_small"),
};

constexpr int kLeastSize = 32;  // below that a picture is gone before the last block, and Keras refuses it too

const ZooEntry& entry_of(std::string_view name) {
  const auto* entry = std::find_if(kZoo.begin(), kZoo.end(), [&](const ZooEntry& e) { return e.id == name; });
  if (entry == kZoo.end()) {
    fail(ErrorKind::usage, "[models] there is no model '{}'; choose one of {}{}", name, fmt::join(model_names(), ", "),
         did_you_mean(name, model_names()));
  }
  return *entry;
}

void check(const ModelOptions& options) {
  const HeadOptions& head = options.head;
  if (options.size < kLeastSize) {
    fail(ErrorKind::usage, "[models] an input of {} pixels is too small: the size must be at least {}", options.size,
         kLeastSize);
  }
  if (head.include_top && ((head.classes != 0 && head.classes != kImageNetClasses) || !head.hidden.empty())) {
    fail(ErrorKind::usage,
         "[models] the ImageNet classifier has {} classes and no hidden layers, but a head was asked for with {} "
         "classes and {} hidden layers; leave include_top out to train a head of your own",
         kImageNetClasses, head.classes, head.hidden.size());
  }
  if (head.classes < 0 || head.classes == 1) {
    fail(ErrorKind::usage, "[models] a head needs at least 2 classes (or 0 for no head), found {}", head.classes);
  }
  const auto bad = std::find_if(head.hidden.begin(), head.hidden.end(), [](int width) { return width < 1; });
  if (bad != head.hidden.end()) {
    fail(ErrorKind::usage, "[models] a hidden layer of the head needs a width of at least 1, found {}", *bad);
  }
  if (!(head.dropout >= 0 && head.dropout < 1)) {
    fail(ErrorKind::usage, "[models] the head's dropout rate must be in [0, 1), found {}", head.dropout);
  }
}

}  // namespace

const std::vector<std::string>& model_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    std::transform(kZoo.begin(), kZoo.end(), std::back_inserter(all), [](const auto& e) { return std::string(e.id); });
    return all;
  }();
  return names;
}

std::unique_ptr<Network> build_model(std::string_view name, const std::shared_ptr<Backend>& backend,
                                     const ModelOptions& options) {
  const ZooEntry& entry = entry_of(name);
  check(options);
  auto network = std::make_unique<Network>(backend, options.master, options.seed);
  network->id = entry.id;
  network->size = options.size;
  network->classes = options.head.include_top ? kImageNetClasses : options.head.classes;
  network->preprocessing = entry.preprocessing;
  network->rescaling_layer = entry.rescaling_layer;

  NetworkBuilder builder(*network);
  entry.add_base(builder);
  if (options.head.include_top) {
    entry.add_top(builder);
  } else if (options.head.classes > 0) {
    add_transfer_head(builder, options.head);
  }
  return network;
}

}  // namespace thaw
