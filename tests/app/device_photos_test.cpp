#include "app/device_photos.h"

#include <gtest/gtest.h>

#include "app/image_source.h"
#include "tests/app/run_files.h"
#include "tests/framework/blind_backend.h"

namespace thaw::testing {
namespace {

using test::BlindBackend;

constexpr std::size_t kPlenty = std::size_t{1} << 30;

class DevicePhotosTest : public ::testing::Test {
 protected:
  [[nodiscard]] DatasetImages images(const std::shared_ptr<DevicePhotos>& on_device) const {
    return {dataset, {.size = 33, .augment = {.flip = true, .crop = true, .seed = 4}, .on_device = on_device}};
  }
  /// The pixels of every batch of an epoch.
  static std::vector<float> epoch(DatasetImages& source, const std::vector<int>& order, int epoch, bool augment) {
    std::vector<float> all;
    const auto stream = source.stream(order, 8, epoch, augment);
    HostBatch batch;
    while (stream->next(batch)) {
      const std::vector<float> some = batch.on_device.defined() ? batch.on_device.to_floats() : batch.pixels;
      all.insert(all.end(), some.begin(), some.end());
      for (std::size_t i = 0; i < batch.images.size(); ++i) EXPECT_EQ(batch.labels[i], source.label(batch.images[i]));
    }
    return all;
  }

  Dataset dataset = Dataset::open(drawn_photos(), {});
  std::vector<int> order = {3, 0, 17, 5, 5, 21, 8, 9, 30, 1, 2};  // one twice; the last batch is short
};

TEST_F(DevicePhotosTest, GivesThePixelsOfTheHostsLoaderWhatFitsOrNot) {
  DatasetImages host = images(nullptr);
  const std::size_t photo = ImageStore(dataset, 0).get(0)->rgb.size();
  for (const std::size_t room : {kPlenty, 4 * photo, std::size_t{0}}) {
    const auto backend = std::make_shared<BlindBackend>(kPlenty);
    const auto photos = std::make_shared<DevicePhotos>(backend, room);
    DatasetImages device = images(photos);
    for (const int number : {0, 1}) {
      for (const bool augment : {true, false}) {
        EXPECT_EQ(epoch(host, order, number, augment), epoch(device, order, number, augment)) << room;
      }
    }
    EXPECT_NE(epoch(device, order, 0, true), epoch(device, order, 1, true));
    EXPECT_LE(photos->bytes_kept(), room);
    EXPECT_EQ(photos->bytes_kept() > 0, room > 0);
  }
}

TEST_F(DevicePhotosTest, SendsEachPhotoOnceWhereThereIsRoom) {
  const auto backend = std::make_shared<BlindBackend>(kPlenty);
  const auto photos = std::make_shared<DevicePhotos>(backend, kPlenty);
  DatasetImages device = images(photos);
  epoch(device, order, 0, true);
  EXPECT_EQ(backend->uploaded, photos->bytes_kept());
  epoch(device, order, 1, true);
  EXPECT_EQ(backend->uploaded, photos->bytes_kept()) << "the second epoch sends nothing";
}

TEST_F(DevicePhotosTest, OnAFullDeviceSendsThemEachTime) {
  const auto backend = std::make_shared<BlindBackend>(std::size_t{1} << 20);  // less than is taken for many photos
  const auto photos = std::make_shared<DevicePhotos>(backend, kPlenty);
  DatasetImages host = images(nullptr);
  DatasetImages device = images(photos);
  EXPECT_EQ(epoch(host, order, 0, false), epoch(device, order, 0, false));
  EXPECT_EQ(photos->bytes_kept(), 0U);
  const std::size_t sent = backend->uploaded;
  epoch(device, order, 0, false);
  EXPECT_EQ(backend->uploaded, 2 * sent);
}

TEST_F(DevicePhotosTest, WhereABatchFindsNoRoomNothingOfItIsTakenForKept) {
  const auto backend = std::make_shared<BlindBackend>(std::size_t{1} << 20);
  DevicePhotos photos(backend, kPlenty);
  ImageStore store(dataset, 0);
  EXPECT_THROW(photos.pixels(store, order, {.size = 500}), Error);
  const std::size_t sent = backend->uploaded;
  EXPECT_GT(sent, 0U);
  static_cast<void>(photos.pixels(store, order, {.size = 9}));
  EXPECT_EQ(backend->uploaded, 2 * sent) << "their memory was released";
}

TEST_F(DevicePhotosTest, NamesABadPhoto) {
  const TempFolder folder;
  fs::copy(drawn_photos(), folder.at("photos"), fs::copy_options::recursive);
  const Dataset opened = Dataset::open(folder.at("photos"), {});
  const fs::path bad = fs::path(folder.at("photos")) / opened.samples().at(1).key;
  const std::string whole = read_file(bad);
  std::ofstream(bad, std::ios::binary) << whole.substr(0, whole.size() / 2);
  ImageStore store(opened, 0);
  DevicePhotos photos(std::make_shared<BlindBackend>(kPlenty), kPlenty);
  const std::vector<int> samples = {0, 1};
  try {
    photos.pixels(store, samples, {.size = 8});
    FAIL() << "took a truncated photo";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(bad.filename().string()), std::string::npos) << error.what();
  }
}

TEST(PhotosOn, AreTheHostsWhereItSeesTheDevicesMemory) {
  EXPECT_EQ(photos_on(std::make_shared<ReferenceBackend>()), nullptr);
  EXPECT_EQ(photos_on(make_backend("cpu")), nullptr);
  EXPECT_NE(photos_on(std::make_shared<BlindBackend>(kPlenty)), nullptr);
}

}  // namespace
}  // namespace thaw::testing
