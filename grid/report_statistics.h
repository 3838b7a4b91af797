#pragma once

#include <optional>
#include <vector>

namespace thaw::grid {

struct Spread {
  double mean = 0;
  std::optional<double> sd;  ///< of the sample (n - 1), where there are two values or more
  int count = 0;
};

/// Nothing for no value.
std::optional<Spread> spread_of(const std::vector<double>& values);

/// Spearman's correlation of ranks, equal values sharing their mean rank. Nothing for fewer than three pairs and where
/// one side is constant.
std::optional<double> rank_correlation(const std::vector<double>& x, const std::vector<double>& y);

/// The share of shuffles of `y` whose rank correlation with `x` is at least as strong as `found`, of either sign: how
/// easily it arises by chance. The shuffles are always the same ones.
double chance_of_correlation(const std::vector<double>& x, const std::vector<double>& y, double found);

}  // namespace thaw::grid
