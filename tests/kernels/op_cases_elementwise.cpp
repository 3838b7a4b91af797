#include <fmt/format.h>

#include <limits>

#include "tests/kernels/op_cases.h"

namespace thaw::tests {

namespace {

using Exactness = OpCase::Exactness;

constexpr Act kActs[] = {Act::linear, Act::relu, Act::relu6, Act::hard_swish, Act::hard_sigmoid};
constexpr std::int64_t kCounts[] = {1, 17, 64, 1000, 40001};
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::int64_t count_of(const std::vector<double>& values) { return static_cast<std::int64_t>(values.size()); }

/// Forward and backward, each into a new array and in place, over the kinks and, forward, a NaN.
void run_act(OpRun& run, Act act, std::int64_t count) {
  std::vector<double> x = run.draw("x", count, {-8, 8}, run.tested());
  x.insert(x.end(), {-3, 0, 3, 6, -0.0});
  const std::int64_t size = count_of(x);
  const void* in = run.given("x", run.dtype(), x);
  run.backend().act_forward(act, run.dtype(), size, in, run.output(Role::activation, "y", size));
  void* in_place = run.inout(Role::activation, "y in place", size, {-8, 8});
  run.backend().act_forward(act, run.dtype(), size, in_place, in_place);
  const void* dy = run.input(Role::activation, "dy", size);
  run.backend().act_backward(act, run.dtype(), size, in, dy, run.output(Role::activation, "dx", size));
  void* gradient = run.inout(Role::activation, "dx in place", size);
  run.backend().act_backward(act, run.dtype(), size, in, gradient, gradient);

  x.back() = kNan;
  run.backend().act_forward(act, run.dtype(), size, run.given("x with NaN", run.dtype(), x),
                            run.output(Role::activation, "y with NaN", size));
}

void run_add(OpRun& run, std::int64_t count) {
  const void* a = run.input(Role::activation, "a", count);
  const void* b = run.input(Role::activation, "b", count);
  run.backend().add(run.dtype(), count, a, b, run.output(Role::activation, "y", count));
  void* in_place = run.inout(Role::activation, "y in place", count);
  run.backend().add(run.dtype(), count, in_place, b, in_place);
}

void run_pad(OpRun& run, int n, int h, int w, int c, const Pad& pad) {
  const std::int64_t small = std::int64_t{n} * h * w * c;
  const std::int64_t large = std::int64_t{n} * (h + pad.top + pad.bottom) * (w + pad.left + pad.right) * c;
  const void* x = run.input(Role::activation, "x", small);
  run.backend().pad_forward(n, h, w, c, pad, run.dtype(), x, run.output(Role::activation, "y", large));
  const void* dy = run.input(Role::activation, "dy", large);
  run.backend().pad_backward(n, h, w, c, pad, run.dtype(), dy, run.output(Role::activation, "dx", small));
}

/// Numbers between representable ones, ties, the largest, both infinities and NaN.
void run_cast(OpRun& run, Dtype from, std::int64_t count) {
  std::vector<double> x = run.draw("x", count, from == Dtype::u8 ? Range{0, 256} : Range{-1000, 1000}, Dtype::f32);
  if (from != Dtype::u8) {
    const double infinity = std::numeric_limits<double>::infinity();
    x.insert(x.end(), {257, 258.5, 0x1.81p8, 0x1.83p8, 3.4e38, -3.4e38, 1e-30, 0.0, -0.0, infinity, -infinity, kNan});
  }
  run.backend().cast(from, run.tested(), count_of(x), run.given("x", from, x),
                     run.typed_output("y", run.tested(), count_of(x)));
}

void run_preprocess(OpRun& run, PreprocessProblem problem) {
  const std::int64_t count = std::int64_t{problem.n} * problem.hw * 3;
  const void* pixels = run.given("pixels", problem.input, run.draw("pixels", count, {0, 256}, problem.input));
  problem.output = run.dtype();
  run.backend().preprocess(problem, pixels, run.output(Role::activation, "y", count));
}

/// Photos of several shapes, whole and in boxes, larger and smaller than the image and mirrored.
void run_resize(OpRun& run, int size, int photos) {
  std::vector<PhotoCrop> crops;
  for (int i = 0; i < photos; ++i) {
    const int height = 1 + (7 * i + 3) % 31;
    const int width = 1 + (11 * i + 5) % 37;
    const std::string name = fmt::format("photo {}", i);
    const void* photo =
        run.given(name, Dtype::u8, run.draw(name, std::int64_t{3} * height * width, {0, 256}, Dtype::u8));
    PhotoCrop crop{.photo = static_cast<const std::uint8_t*>(photo), .height = height, .width = width};
    crop.y = i % 2 == 0 ? 0 : height / 3;
    crop.x = i % 2 == 0 ? 0 : width / 4;
    crop.box_height = i % 2 == 0 ? height : height - height / 2;
    crop.box_width = i % 2 == 0 ? width : width - width / 3;
    crop.flip = i % 3 == 1;
    crops.push_back(crop);
  }
  void* pixels = run.typed_output("pixels", Dtype::f32, std::int64_t{3} * size * size * photos);
  run.backend().resize_photos(size, crops, static_cast<float*>(pixels));
}

void run_dropout(OpRun& run, std::int64_t count, float rate) {
  const void* x = run.input(Role::activation, "x", count, {0.5, 1.5});  // no small number hides a wrong mask
  run.backend().dropout(run.dtype(), count, rate, 77, x, run.output(Role::activation, "y", count));
  void* in_place = run.inout(Role::activation, "y in place", count, {0.5, 1.5});
  run.backend().dropout(run.dtype(), count, rate, std::uint64_t{1} << 60, in_place, in_place);
}

void add_pixels(Dtype dtype, std::vector<OpCase>& cases) {
  for (const Dtype input : {Dtype::f32, Dtype::u8}) {
    const PreprocessProblem caffe{
        .n = 2, .hw = 35, .bgr = true, .offset = {-103.939, -116.779, -123.68}, .input = input, .output = dtype};
    const PreprocessProblem centred{
        .n = 1, .hw = 1021, .scale = 1 / 127.5, .offset = {-127.5, -127.5, -127.5}, .input = input, .output = dtype};
    for (const auto& problem : {caffe, centred}) {
      cases.push_back({"pixels",
                       fmt::format("preprocess_n{}hw{}{}:{}:{}", problem.n, problem.hw, problem.bgr ? "+bgr" : "",
                                   name_of(input), name_of(dtype)),
                       Exactness::never, [problem](OpRun& run) { run_preprocess(run, problem); }});
    }
  }
}

void add_photos(Dtype dtype, std::vector<OpCase>& cases) {
  if (dtype != Dtype::f32) return;
  for (const auto& [size, photos] : {std::pair(17, 5), std::pair(1, 2), std::pair(9, 67)}) {
    cases.push_back({"photos", fmt::format("resize_photos_n{}s{}", photos, size), Exactness::always,
                     [size, photos](OpRun& run) { run_resize(run, size, photos); }});
  }
}

}  // namespace

void run_scale(OpRun& run, ScaleProblem problem) {
  problem.dtype = run.dtype();
  const std::int64_t gates = std::int64_t{problem.n} * problem.c;
  const void* x = run.input(Role::activation, "x", problem.size());
  const void* gate = run.input(Role::activation, "gate", gates);
  run.backend().scale_forward(problem, x, gate, run.output(Role::activation, "y", problem.size()));
  const void* dy = run.input(Role::activation, "dy", problem.size());
  run.backend().scale_backward(problem, x, gate, dy, run.output(Role::activation, "dx", problem.size()),
                               run.output(Role::activation, "dgate", gates));
  // What is frozen wants no gradient, and gives nothing for the other's.
  run.backend().scale_backward(problem, nullptr, gate, dy, run.output(Role::activation, "only dx", problem.size()),
                               nullptr);
  run.backend().scale_backward(problem, x, nullptr, dy, nullptr, run.output(Role::activation, "only dgate", gates));
}

void add_elementwise_cases(Dtype dtype, std::vector<OpCase>& cases) {
  const std::string_view type = name_of(dtype);
  for (const Act act : kActs) {
    for (const auto count : kCounts) {
      cases.push_back({"act", fmt::format("act_{}_count{}:{}", name_of(act), count, type), Exactness::never,
                       [=](OpRun& run) { run_act(run, act, count); }});
    }
  }
  for (const auto count : kCounts) {
    cases.push_back({"add", fmt::format("add_count{}:{}", count, type), Exactness::integers,
                     [=](OpRun& run) { run_add(run, count); }});
  }
  for (ScaleProblem problem : {ScaleProblem{2, 49, 72}, {3, 25, 17}, {5, 1, 40}, {1, 3137, 16}, {2, 9, 1}}) {
    problem.dtype = dtype;
    cases.push_back({"scale", problem.text(), Exactness::integers, [problem](OpRun& run) { run_scale(run, problem); }});
  }
  for (const auto& [pad, c] : {std::pair{pad_all(3), 3}, {Pad{0, 1, 0, 1}, 16}, {Pad{2, 0, 1, 3}, 5}, {Pad{}, 4}}) {
    cases.push_back({"pad",
                     fmt::format("pad_n2h6w5c{}p{}.{}.{}.{}:{}", c, pad.top, pad.bottom, pad.left, pad.right, type),
                     Exactness::always, [pad = pad, c = c](OpRun& run) { run_pad(run, 2, 6, 5, c, pad); }});
  }
  for (const Dtype from : {Dtype::f32, Dtype::bf16, Dtype::u8}) {
    for (const auto count : kCounts) {
      cases.push_back({"cast", fmt::format("cast_{}_to_{}_count{}", name_of(from), type, count), Exactness::always,
                       [=](OpRun& run) { run_cast(run, from, count); }});
    }
  }
  add_pixels(dtype, cases);
  add_photos(dtype, cases);
  for (const float rate : {0.0F, 0.2F, 0.5F}) {
    // 1/(1-rate) = 1 or 2 rounds nothing, so that the mask and the values are the oracle's exactly.
    cases.push_back({"dropout", fmt::format("dropout_rate{}_count4099:{}", rate, type),
                     rate == 0.2F ? Exactness::never : Exactness::always,
                     [=](OpRun& run) { run_dropout(run, 4099, rate); }});
  }
}

}  // namespace thaw::tests
