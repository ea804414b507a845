# Everything here is packaged by Debian 12; scripts/bootstrap installs it.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(MSGPACK REQUIRED IMPORTED_TARGET msgpack)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
# Paho's Debian package has no file for pkg-config.
find_library(MK_PAHO paho-mqtt3as REQUIRED)
find_package(nng CONFIG REQUIRED)
add_library(mk_nng ALIAS nng::nng)
