#pragma once

#include <string>

#include "microscope/case.h"

namespace thaw::microscope {

// The shapes that operands have beside a case's axis.

/// (extent, inner): each position is a row, such as an image.
inline Operand rows(std::string name, Operand::Use use, Dtype dtype, std::int64_t extent, std::int64_t inner) {
  return {.name = std::move(name),
          .use = use,
          .dtype = dtype,
          .precision = dtype,
          .extent = extent,
          .inner = inner,
          .cut = true};
}

/// (outer, extent, inner): each position is a column, such as a channel of every pixel.
inline Operand columns(std::string name, Operand::Use use, Dtype dtype, std::int64_t outer, std::int64_t extent,
                       std::int64_t inner = 1) {
  return {.name = std::move(name),
          .use = use,
          .dtype = dtype,
          .precision = dtype,
          .outer = outer,
          .extent = extent,
          .inner = inner,
          .cut = true};
}

/// Needed whole by every position.
inline Operand whole(std::string name, Operand::Use use, Dtype dtype, std::int64_t count) {
  return {.name = std::move(name), .use = use, .dtype = dtype, .precision = dtype, .extent = count};
}

/// The operand with its numbers drawn from [low, high).
inline Operand between(double low, double high, Operand operand) {
  operand.range = {low, high};
  return operand;
}

}  // namespace thaw::microscope
