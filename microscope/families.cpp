#include "microscope/families.h"

#include <algorithm>

#include "kernels/error.h"
#include "kernels/nearest.h"

namespace thaw::microscope {

const std::vector<Family>& families() {
  static const std::vector<Family> all = {conv_family(),      depthwise_family(), norm_family(), pool_family(),
                                          pointwise_family(), dense_family(),     adam_family()};
  return all;
}

const Family& family(std::string_view name) {
  const auto found =
      std::find_if(families().begin(), families().end(), [name](const auto& f) { return f.name == name; });
  if (found != families().end()) return *found;
  std::vector<std::string> names;
  for (const Family& one : families()) names.push_back(one.name);
  fail(ErrorKind::usage, "there is no family of problems called '{}'{}", name, did_you_mean(name, names));
}

}  // namespace thaw::microscope
