import Foundation
import Glibc

/// A TCP cable between a client and a broker, that can be frozen (open, nothing flows) or cut.
final class Cable: Sendable {
    private enum Condition { case flowing, frozen, cut }

    let port: UInt16
    private let condition = Watched(Condition.flowing)

    init(to brokerPort: UInt16) {
        let (listener, port) = Loopback.listen()
        self.port = port
        let condition = condition
        Thread.detachNewThread {
            while condition.now != .cut {
                guard Loopback.isReadable(listener, within: 20) else { continue }
                let near = accept(listener, nil, nil)
                guard near >= 0 else { continue }
                guard let far = Loopback.connect(to: brokerPort) else {
                    close(near)
                    continue
                }
                Thread.detachNewThread {
                    Self.carry(near, far, condition)
                    close(near)
                    close(far)
                }
            }
            close(listener)
        }
    }

    deinit { cut() }

    func freeze() { condition.change { $0 = .frozen } }
    func cut() { condition.change { $0 = .cut } }

    private static func carry(_ near: Int32, _ far: Int32, _ condition: Watched<Condition>) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            switch condition.now {
            case .cut: return
            case .frozen:
                // Not a byte is read; this waits for the condition, up to the poll's time.
                _ = poll(nil, 0, 20)
                continue
            case .flowing: break
            }
            for (from, to) in [(near, far), (far, near)] where Loopback.isReadable(from, within: 5)
            {
                let count = recv(from, &buffer, buffer.count, 0)
                guard count > 0, send(to, buffer, count, Int32(MSG_NOSIGNAL)) == count else {
                    return
                }
            }
        }
    }
}
