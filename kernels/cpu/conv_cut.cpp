#include "kernels/cpu/conv_cut.h"

#include <algorithm>
#include <cassert>

namespace thaw {

namespace {

// Fewer rows than this are not worth a thread.
constexpr std::int64_t kLeastRows = 16;

/// First element of part i of `count` when `size` is divided as evenly as can be, larger parts first.
int begin_of(std::size_t i, int size, std::size_t count) {
  const auto parts = static_cast<int>(count);
  const auto index = static_cast<int>(i);
  return index * (size / parts) + std::min(index, size % parts);
}

std::vector<ConvPart> cut_rows(const ConvProblem& rows, std::size_t shards) {
  const auto most = static_cast<std::size_t>(std::max<std::int64_t>(rows.w / kLeastRows, 1));
  const std::size_t count = std::min(shards, most);
  std::vector<ConvPart> parts;
  for (std::size_t i = 0; i < count; ++i) {
    const int begin = begin_of(i, rows.w, count);
    ConvPart part{rows, std::int64_t{begin} * rows.c, std::int64_t{begin} * rows.k};
    part.problem.w = begin_of(i + 1, rows.w, count) - begin;
    parts.push_back(part);
  }
  return parts;
}

/// Output lines [begin, end) of each image as a problem of its own; h < 1 where they lie in the padding alone.
ConvPart lines_of(const ConvProblem& whole, int begin, int end) {
  const int first = begin * whole.stride - whole.pad.top;
  const int last = (end - 1) * whole.stride - whole.pad.top + whole.r;
  ConvPart part{whole, std::int64_t{std::max(first, 0)} * whole.w * whole.c, std::int64_t{begin} * whole.q() * whole.k};
  part.problem.h = std::min(last, whole.h) - std::max(first, 0);
  part.problem.pad.top = std::max(-first, 0);
  part.problem.pad.bottom = std::max(last - whole.h, 0);
  return part;
}

}  // namespace

bool is_rows(const ConvProblem& p) { return p.r == 1 && p.s == 1 && p.stride == 1 && !p.pad.any() && p.groups == 1; }

ConvProblem as_rows(const ConvProblem& problem) {
  assert(is_rows(problem));
  ConvProblem rows = problem;
  rows.n = rows.h = 1;
  rows.w = problem.n * problem.h * problem.w;
  return rows;
}

ConvProblem input_gradient(const ConvProblem& p) {
  ConvProblem out = p;
  out.h = p.p();
  out.w = p.q();
  out.c = p.k;
  out.k = p.c;
  out.pad = {p.r - 1 - p.pad.top, p.r - 1 - p.pad.bottom, p.s - 1 - p.pad.left, p.s - 1 - p.pad.right};
  out.bias = out.residual = false;
  out.act = Act::linear;
  return out;
}

std::vector<ConvPart> cut_batch(const ConvProblem& problem, std::size_t shards) {
  if (is_rows(problem)) return cut_rows(as_rows(problem), shards);
  const std::size_t count = std::min(shards, static_cast<std::size_t>(problem.n));
  std::vector<ConvPart> parts;
  for (std::size_t i = 0; i < count; ++i) {
    const int begin = begin_of(i, problem.n, count);
    ConvPart part{problem, problem.input_size() / problem.n * begin, problem.output_size() / problem.n * begin};
    part.problem.n = begin_of(i + 1, problem.n, count) - begin;
    parts.push_back(part);
  }
  return parts;
}

std::vector<ConvPart> cut_lines(const ConvProblem& problem, std::size_t shards) {
  const std::size_t bands =
      std::min(shards / static_cast<std::size_t>(problem.n), static_cast<std::size_t>(problem.p()));
  if (is_rows(problem) || bands < 2) return cut_batch(problem, shards);
  std::vector<ConvPart> parts;
  ConvProblem image = problem;
  image.n = 1;
  for (int n = 0; n < problem.n; ++n) {
    for (std::size_t band = 0; band < bands; ++band) {
      ConvPart part = lines_of(image, begin_of(band, image.p(), bands), begin_of(band + 1, image.p(), bands));
      if (part.problem.h < 1) return cut_batch(problem, shards);
      part.input += image.input_size() * n;
      part.output += image.output_size() * n;
      parts.push_back(part);
    }
  }
  return parts;
}

}  // namespace thaw
