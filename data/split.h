#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"

namespace thaw {

/// Gives 2753 / 550 / 367 photos of tf_flowers, the counts of the paper; the more obvious slices do not.
inline constexpr std::string_view default_split = "train=train[15%:90%],val=train[:15%],test=train[90%:]";

/// The three slice expressions of a split.
struct SplitSpec {
  std::string train, val, test;
  /// Reads "train=EXPR,val=EXPR,test=EXPR", in any order. Throws `Error` (usage) with what is wrong.
  static SplitSpec parse(std::string_view text);
};

/// Sample indices of the three parts, each in file order.
struct Split {
  std::vector<int> train, val, test;
};

/// The indices that a TFDS slice expression selects out of n examples: "train", "train[15%:90%]", "train[:100]",
/// "train[-10%:]", joined with '+'. A percent boundary p is p * n / 100 rounded half to even; negative boundaries
/// count from the end; both boundaries of a slice have the same unit. Throws `Error` (usage) for another syntax and
/// for boundaries beyond 100 % or n.
/// Source: TensorFlow Datasets, ReadInstruction with rounding "closest".
std::vector<int> resolve_slice(std::string_view expression, int n);

/// Resolves the three parts. Throws `Error` (usage) for parts that overlap or are empty, and (data) for a class
/// without a training photo, naming it.
Split split_dataset(const Dataset& dataset, std::string_view spec = default_split);

}  // namespace thaw
