#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace thaw::microscope {

/// The text of an optimizer step over parameters: how many there are of each count of elements, `adam_2x1000+1x4096`.
std::string adam_text(const std::map<std::int64_t, std::int64_t>& counts);

}  // namespace thaw::microscope
