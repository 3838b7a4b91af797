#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/backend.h"
#include "kernels/error.h"

namespace thaw::tests {

using testing::HasSubstr;

TEST(Registry, ListsUsableDevicesBeforeOthersAndTheReferenceAsUsable) {
  const auto all = devices();
  EXPECT_TRUE(std::is_partitioned(all.begin(), all.end(), [](const DeviceInfo& d) { return d.usable; }));
  EXPECT_TRUE(
      std::any_of(all.begin(), all.end(), [](const DeviceInfo& d) { return d.backend == "reference" && d.usable; }));
}

TEST(Registry, MakesEveryUsableDeviceByItsName) {
  for (const DeviceInfo& device : devices()) {
    if (!device.usable) continue;
    EXPECT_EQ(make_backend(device.backend)->name(), device.backend);
  }
}

TEST(Registry, TakesTheBestDeviceForAuto) { EXPECT_EQ(make_backend("auto")->name(), devices().front().backend); }

TEST(Registry, RefusesAnUnknownNameAndSaysWhichExist) {
  try {
    make_backend("tpu");
    FAIL() << "there is no tpu";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.what(), HasSubstr("'tpu'"));
    EXPECT_THAT(error.what(), HasSubstr("cuda, cpu and reference"));
  }
}

TEST(Registry, RefusesADeviceThatIsNotThereWithAWayOut) {
  for (const DeviceInfo& device : devices()) {
    if (device.usable) continue;
    try {
      make_backend(device.backend);
      ADD_FAILURE() << device.backend << " was made although it is not usable: " << device.detail;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::device);
      EXPECT_THAT(error.what(), HasSubstr("--device cpu"));
    }
  }
}

}  // namespace thaw::tests
