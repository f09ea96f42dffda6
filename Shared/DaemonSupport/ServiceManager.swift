import Foundation
import Glibc

/// systemd, where it runs us: it is told by datagrams to the socket that it names (sd_notify(3)).
/// Without one there is nobody to tell.
package struct ServiceManager: Sendable {
    package enum State: String, Sendable {
        case ready = "READY=1"
        case stopping = "STOPPING=1"
    }

    private let path: String?

    package init(socketPath: String?) {
        path = socketPath
    }

    package static var current: ServiceManager {
        ServiceManager(socketPath: ProcessEnvironment.variables["NOTIFY_SOCKET"])
    }

    /// What cannot be said is not: a manager that does not listen is none of the daemon's business.
    package func say(_ state: State) {
        guard let path, !path.isEmpty else { return }
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // A name that begins with @ is in the abstract name space, where the first byte is 0.
        let isAbstract = path.utf8.first == UInt8(ascii: "@")
        let name = isAbstract ? [0] + path.utf8.dropFirst() : Array(path.utf8)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count + (isAbstract ? 0 : 1))
        let text = state.rawValue
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
    }
}
