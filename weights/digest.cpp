#include "weights/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <fstream>
#include <memory>
#include <vector>

#include "kernels/error.h"

namespace thaw {
namespace {

/// One running digest of OpenSSL's EVP interface.
class Digest {
 public:
  explicit Digest(const EVP_MD* algorithm) : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    if (context_ == nullptr || EVP_DigestInit_ex(context_.get(), algorithm, nullptr) != 1) {
      fail(ErrorKind::failed, "[digest] OpenSSL offers no {} here; a FIPS-only configuration may forbid it",
           EVP_MD_get0_name(algorithm));
    }
  }

  void update(const void* bytes, std::size_t size) { EVP_DigestUpdate(context_.get(), bytes, size); }

  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned int size = 0;
    EVP_DigestFinal_ex(context_.get(), bytes.data(), &size);
    std::string text;
    for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", bytes[i]);
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

std::string digest_file(const std::filesystem::path& path, const EVP_MD* algorithm) {
  std::ifstream in(path, std::ios::binary);
  if (!in || std::filesystem::is_directory(path)) {
    fail(ErrorKind::data, "cannot read '{}': {}", path.string(),
         std::filesystem::exists(path) ? "it is no readable file" : "there is no such file");
  }
  Digest digest(algorithm);
  std::vector<char> block(std::size_t{1} << 20);
  while (in) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    digest.update(block.data(), static_cast<std::size_t>(in.gcount()));
  }
  return digest.hex();
}

}  // namespace

std::string sha256(std::span<const std::uint8_t> bytes) {
  Digest digest(EVP_sha256());
  digest.update(bytes.data(), bytes.size());
  return digest.hex();
}

std::string sha256_file(const std::filesystem::path& path) { return digest_file(path, EVP_sha256()); }

std::string md5_file(const std::filesystem::path& path) { return digest_file(path, EVP_md5()); }

}  // namespace thaw
