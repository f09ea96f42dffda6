import Glibc
import TextFormats

/// The daemon cannot listen where it was told to.
package struct ListenFailure: Error, CustomStringConvertible {
    package let address: ListenAddress
    /// errno(3), or nil where the address is at fault and no call was made.
    package let code: CInt?
    package let description: String

    init(address: ListenAddress, code: CInt) {
        self.address = address
        self.code = code
        description =
            switch code {
            case EADDRINUSE:
                "\(address) is already in use by another program; choose another with --listen"
            case EACCES, EPERM: "no permission to listen on \(address)"
            case EADDRNOTAVAIL: "\(address) is not an address of this machine"
            case ENOENT: "\(address): its folder does not exist"
            case EAFNOSUPPORT: "\(address): this machine has no addresses of that family"
            default: "cannot listen on \(address): \(String(cString: strerror(code)))"
            }
    }

    init(address: ListenAddress, reason: String) {
        self.address = address
        code = nil
        description = "cannot listen on \(address): \(reason)"
    }
}

/// What stands at the path of a Unix socket before the server takes it.
///
/// A socket file outlives the process that made it, so the server removes one that it finds. It
/// would also remove that of a daemon which is alive, whose clients would then find nobody: ask
/// first.
enum UnixSocketPath {
    static func check(_ path: String, for address: ListenAddress) throws(ListenFailure) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw ListenFailure(
                address: address, reason: "there is a file of that name, and it is no socket")
        }
        if isAnswered(path) { throw ListenFailure(address: address, code: EADDRINUSE) }
    }

    private static func isAnswered(_ path: String) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                // Never blocks: a Unix socket either has a listener or has none.
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
                    || errno == EAGAIN
            }
        }
    }
}
