#include <algorithm>
#include <array>

#include "tests/kernels/cpu_support.h"

namespace thaw::testing {

namespace {

constexpr std::array<InvertedResidual, 15> kLarge = {{{16, 3, 1, 0, 16},
                                                      {64, 3, 2, 0, 24},
                                                      {72, 3, 1, 0, 24},
                                                      {72, 5, 2, 24, 40},
                                                      {120, 5, 1, 32, 40},
                                                      {120, 5, 1, 32, 40},
                                                      {240, 3, 2, 0, 80},
                                                      {200, 3, 1, 0, 80},
                                                      {184, 3, 1, 0, 80},
                                                      {184, 3, 1, 0, 80},
                                                      {480, 3, 1, 120, 112},
                                                      {672, 3, 1, 168, 112},
                                                      {672, 5, 2, 168, 160},
                                                      {960, 5, 1, 240, 160},
                                                      {960, 5, 1, 240, 160}}};
constexpr std::array<InvertedResidual, 11> kSmall = {{{16, 3, 2, 8, 16},
                                                      {72, 3, 2, 0, 24},
                                                      {88, 3, 1, 0, 24},
                                                      {96, 5, 2, 24, 40},
                                                      {240, 5, 1, 64, 40},
                                                      {240, 5, 1, 64, 40},
                                                      {120, 5, 1, 32, 48},
                                                      {144, 5, 1, 40, 48},
                                                      {288, 5, 2, 72, 96},
                                                      {576, 5, 1, 144, 96},
                                                      {576, 5, 1, 144, 96}}};

/// A list without repetitions that follows an image through the network.
class Walk {
 public:
  Walk(int n, Dtype dtype) : n_(n), dtype_(dtype) {}

  void conv(int c, int k, int kernel, int stride, const Pad& pad) { add(side_, c, k, kernel, stride, pad, 1, false); }
  void depthwise(int c, int kernel, int stride, const Pad& pad) { add(side_, c, c, kernel, stride, pad, c, false); }
  void squeeze_excite(int c, int squeezed) {
    add(1, c, squeezed, 1, 1, {}, 1, true);
    add(1, squeezed, c, 1, 1, {}, 1, true);
  }
  void set_side(int side) { side_ = side; }
  [[nodiscard]] int side() const { return side_; }
  [[nodiscard]] std::vector<ConvProblem> take() { return std::move(list_); }

 private:
  void add(int side, int c, int k, int kernel, int stride, const Pad& pad, int groups, bool bias) {
    const ConvProblem problem{.n = n_,
                              .c = c,
                              .h = side,
                              .w = side,
                              .k = k,
                              .r = kernel,
                              .s = kernel,
                              .stride = stride,
                              .pad = pad,
                              .groups = groups,
                              .bias = bias,
                              .dtype = dtype_};
    if (std::find(list_.begin(), list_.end(), problem) == list_.end()) list_.push_back(problem);
  }

  int n_;
  Dtype dtype_;
  int side_ = 224;
  std::vector<ConvProblem> list_;
};

void walk_resnet50(Walk& walk) {
  walk.conv(3, 64, 7, 2, pad_all(3));
  walk.set_side(56);
  constexpr std::array kBlocks = {3, 4, 6, 3};
  int in = 64;
  for (int stage = 0; stage < 4; ++stage) {
    const int middle = 64 << stage;
    for (int block = 0; block < kBlocks.at(static_cast<std::size_t>(stage)); ++block) {
      const int stride = block == 0 && stage > 0 ? 2 : 1;
      walk.conv(in, middle, 1, stride, {});
      if (block == 0) walk.conv(in, 4 * middle, 1, stride, {});
      walk.set_side(walk.side() / stride);
      walk.conv(middle, middle, 3, 1, pad_all(1));
      walk.conv(middle, 4 * middle, 1, 1, {});
      in = 4 * middle;
    }
  }
}

template <std::size_t Count>
void walk_mobilenet(Walk& walk, const std::array<InvertedResidual, Count>& blocks, int last) {
  walk.conv(3, 16, 3, 2, pad_same(224, 224, 3, 3, 2));
  walk.set_side(112);
  int in = 16;
  bool first = true;
  for (const InvertedResidual& block : blocks) {
    if (!std::exchange(first, false)) walk.conv(in, block.expanded, 1, 1, {});
    walk.depthwise(block.expanded, block.kernel, block.stride,
                   pad_same(walk.side(), walk.side(), block.kernel, block.kernel, block.stride));
    walk.set_side(walk.side() / block.stride);
    if (block.squeezed != 0) walk.squeeze_excite(block.expanded, block.squeezed);
    walk.conv(block.expanded, block.out, 1, 1, {});
    in = block.out;
  }
  walk.conv(in, last, 1, 1, {});
}

}  // namespace

std::vector<ConvProblem> network_convs(const std::string& name, int n, Dtype dtype) {
  Walk walk(n, dtype);
  if (name == "resnet50") walk_resnet50(walk);
  if (name == "mobilenet_v3_large") walk_mobilenet(walk, kLarge, 960);
  if (name == "mobilenet_v3_small") walk_mobilenet(walk, kSmall, 576);
  return walk.take();
}

}  // namespace thaw::testing
