#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "microscope/case.h"

namespace thaw::microscope {

/// What the command line asks of every problem.
struct Wishes {
  std::optional<Dtype> dtype = {};  ///< of activations, whatever the text says
  Dtype standard = Dtype::f32;      ///< where the text says nothing
  std::optional<int> batch = {};    ///< images, whatever the text says
};

/// A kind of problem with its own text form.
struct Family {
  std::string name;
  std::string summary;  ///< one line of help
  std::string example;  ///< a problem
  /// The directions that there are, for `--dir`.
  std::vector<std::string> directions;
  /// The problem in the form that reads back to itself. Throws `Error` (usage) for a text that is none.
  std::string (*canonical)(std::string_view text, const Wishes& wishes);
  /// Those of the directions that a canonical problem has, in order, the first ones of a training step.
  std::vector<std::string> (*directions_of)(const std::string& problem);
  Case (*make)(const std::string& problem, const std::string& direction);
};

/// conv, depthwise, norm, pool, pointwise, dense, adam.
const std::vector<Family>& families();
/// Throws `Error` (usage) naming the nearest.
const Family& family(std::string_view name);

/// Where a problem can be timed in a network or a file: one row of a report.
struct Request {
  std::string family;
  std::string problem;  ///< canonical
  std::string direction;
  std::string name = {};   ///< as a file of problems calls it
  std::int64_t count = 1;  ///< calls in one training step
};

// One a file; the table is put together in families.cpp.
Family conv_family();
Family depthwise_family();
Family norm_family();
Family pool_family();
Family pointwise_family();
Family dense_family();
Family adam_family();

}  // namespace thaw::microscope
