#pragma once

#include <string>
#include <vector>

#include "microscope/specimen.h"

namespace thaw::microscope {

enum class Agreement {
  exact,      ///< equal to the oracle in every bit that its type has
  close,      ///< within the tolerance
  wrong,      ///< not even that, or something was written that must not be
  unchecked,  ///< the oracle would take too long
};
std::string_view name_of(Agreement agreement);

struct CheckOptions {
  double limit = 0.5e9;  ///< operations of the oracle; what is beyond is checked in part
  std::uint64_t seed = 0;
};

/// What a check found out.
struct Finding {
  Agreement agreement = Agreement::unchecked;
  std::string part;           ///< "all", "3 of 32 images"
  std::string complaint;      ///< first thing that is wrong; empty: nothing
  bool deterministic = true;  ///< two runs on the same inputs gave the same bits
  [[nodiscard]] bool good() const { return agreement != Agreement::wrong && deterministic; }
};

/// Runs the whole case on the specimen's backend and compares it with the reference backend in f64: on small integers
/// where the case is linear, on reals always. The oracle computes only as many positions of the case's axis as its
/// limit allows; the device always computes everything, within guard bands. Leaves reals and their results behind.
Finding check(const Case& subject, Specimen& specimen, const CheckOptions& options);

}  // namespace thaw::microscope
