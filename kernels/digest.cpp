#include "kernels/digest.h"

#include <openssl/evp.h>

#include <fstream>
#include <vector>

#include "kernels/error.h"

namespace thaw {

namespace {

void require(int ok) {
  if (ok != 1) fail(ErrorKind::failed, "OpenSSL refused to compute a digest; check its installation (FIPS mode?)");
}

std::string hex_of(EVP_MD_CTX* context) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  require(EVP_DigestFinal_ex(context, digest.data(), &length));
  std::string text;
  for (unsigned i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string digest_of_file(const std::filesystem::path& path, const EVP_MD* algorithm) {
  std::ifstream in(path, std::ios::binary);
  if (!in || std::filesystem::is_directory(path)) {
    fail(ErrorKind::data, "cannot read '{}': {}", path.string(),
         std::filesystem::exists(path) ? "it is no readable file" : "there is no such file");
  }
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  require(context != nullptr ? EVP_DigestInit_ex(context.get(), algorithm, nullptr) : 0);
  std::vector<char> block(std::size_t{1} << 20);
  while (in) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    require(EVP_DigestUpdate(context.get(), block.data(), static_cast<std::size_t>(in.gcount())));
  }
  if (in.bad()) {
    fail(ErrorKind::data, "reading '{}' failed half-way; check the disk and copy the file again", path.string());
  }
  return hex_of(context.get());
}

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const noexcept { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  require(context_ != nullptr ? EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) : 0);
}

void Sha256::add(std::string_view bytes) { require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size())); }

void Sha256::add(std::span<const std::uint8_t> bytes) {
  require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
}

std::string Sha256::hex() { return hex_of(context_.get()); }

std::string sha256(std::span<const std::uint8_t> bytes) {
  Sha256 digest;
  digest.add(bytes);
  return digest.hex();
}

std::string sha256_file(const std::filesystem::path& path) { return digest_of_file(path, EVP_sha256()); }

std::array<std::uint8_t, 16> md5(std::string_view text) {
  std::array<std::uint8_t, 16> digest{};
  unsigned length = 0;
  require(EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_md5(), nullptr));
  return digest;
}

std::string md5_file(const std::filesystem::path& path) { return digest_of_file(path, EVP_md5()); }

}  // namespace thaw
