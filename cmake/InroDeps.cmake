# External libraries, each allowed in one room only (docs/DEPENDENCIES.md). The names of Debian
# packages are said when something is missing.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(inro_dep name module package)
  pkg_check_modules(${name} IMPORTED_TARGET ${module})
  if(NOT ${name}_FOUND)
    message(FATAL_ERROR "${module} was not found; on Debian: apt-get install ${package}")
  endif()
endfunction()

inro_dep(JANSSON jansson libjansson-dev)
inro_dep(IDN2 libidn2 libidn2-dev)
inro_dep(CRYPTO libcrypto libssl-dev)
inro_dep(SODIUM libsodium libsodium-dev)
inro_dep(SSL libssl libssl-dev)
inro_dep(EVENT libevent_core libevent-dev)
inro_dep(EVENT_EXTRA libevent_extra libevent-dev)
inro_dep(EVENT_SSL libevent_openssl libevent-dev)
inro_dep(EVENT_THREADS libevent_pthreads libevent-dev)
inro_dep(CURL libcurl libcurl4-openssl-dev)
inro_dep(SSH libssh libssh-dev)
inro_dep(SQLITE sqlite3 libsqlite3-dev)
inro_dep(PQ libpq libpq-dev)
inro_dep(SECCOMP libseccomp libseccomp-dev)

# The GnuTLS flavour of libcurl has the same pkg-config name: ask the library itself.
include(CheckCSourceCompiles)
execute_process(COMMAND pkg-config --variable=supported_features libcurl OUTPUT_VARIABLE _curl_features)
execute_process(COMMAND sh -c "pkg-config --libs --static libcurl" OUTPUT_VARIABLE _curl_libs)
if(_curl_libs MATCHES "gnutls" AND NOT _curl_libs MATCHES "-lssl")
  message(FATAL_ERROR "libcurl here is the GnuTLS flavour; on Debian: apt-get install libcurl4-openssl-dev")
endif()
