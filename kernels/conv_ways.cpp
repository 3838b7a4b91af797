#include "kernels/conv_ways.h"

#include "kernels/backend.h"
#include "kernels/error.h"

namespace thaw {

std::string_view name_of(ConvDirection direction) {
  switch (direction) {
    case ConvDirection::forward: return "forward";
    case ConvDirection::data: return "data";
    case ConvDirection::filter: return "filter";
  }
  return "?";
}

ConvWays* conv_ways_of(Backend& backend) {
  auto* const source = dynamic_cast<HasConvWays*>(&backend);
  return source == nullptr ? nullptr : &source->conv_ways();
}

Dtype stored_result(const ConvTask& task) {
  return task.direction == ConvDirection::filter ? master_dtype(task.problem.dtype) : task.problem.dtype;
}

void fail_way(const ConvTask& task, std::string_view way) {
  fail(ErrorKind::device, "[conv] {} {} cannot be computed by '{}'; --all-plans lists what it can be computed by",
       task.problem.text(), name_of(task.direction), way);
}

std::vector<float> transposed(std::span<const float> matrix, std::int64_t rows, std::int64_t columns) {
  std::vector<float> out(matrix.size());
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      out[static_cast<std::size_t>(column * rows + row)] = matrix[static_cast<std::size_t>(row * columns + column)];
    }
  }
  return out;
}

}  // namespace thaw
