#pragma once

#include <string>
#include <vector>

#include "microscope/families.h"

namespace thaw::microscope {

/// A network's training step, as `thaw train` would run it.
struct NetOptions {
  std::string model;
  std::string unfreeze = "all";
  std::string bn = "train";  ///< "train", "inference" or "frozen-affine"
  int batch = 32;
  int size = 224;
  int classes = 5;
  Dtype dtype = Dtype::f32;
  bool fuses = false;  ///< squeeze-excites are one call, as on CUDA
};

/// Every distinct problem of one training step with how often it is called, in the order of first calls. The network
/// itself is run on a backend that computes nothing and writes down what it is asked: what is frozen appears in no
/// backward direction, and folded into packed convolutions. Throws `Error` (usage) for an unknown model or selector.
std::vector<Request> record_step(const NetOptions& options);

}  // namespace thaw::microscope
