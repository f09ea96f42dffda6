import Foundation
import Glibc

/// A broker of a few lines, for what no real broker does on request. Each connection is served by
/// the script, on a thread of its own, and closed when the script returns.
final class ScriptedPeer: Sendable {
    /// One connection as the script sees it.
    struct Dialogue: Sendable {
        let descriptor: Int32
        /// The connections before this one.
        let index: Int

        /// The first byte and the body of the next packet, or `nil` at the end.
        func packet() -> (kind: UInt8, body: [UInt8])? {
            guard let first = bytes(1)?.first else { return nil }
            var length = 0
            var shift = 0
            while true {
                // A length has at most four bytes (MQTT 3.1.1, section 2.2.3).
                guard shift < 28, let byte = bytes(1)?.first else { return nil }
                length |= Int(byte & 0x7F) << shift
                shift += 7
                if byte < 0x80 { break }
            }
            return bytes(length).map { (first, $0) }
        }

        /// Reads CONNECT. The protocol level is the byte after the name "MQTT": 4 is 3.1.1, 5 is 5.
        func protocolLevel() -> UInt8? {
            packet().map { $0.body[6] }
        }

        /// Answers CONNECT as accepted, with the properties that a level 5 connection gets.
        func accept(level: UInt8, properties: [UInt8] = []) {
            let tail = level == 5 ? [UInt8(properties.count)] + properties : []
            send([0x20, UInt8(2 + tail.count), 0, 0] + tail)
        }

        func send(_ bytes: [UInt8]) {
            _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        }

        /// Swallows everything, packets or not, until the other side closes.
        func listenUntilEnd() {
            while bytes(1) != nil {}
        }

        private func bytes(_ count: Int) -> [UInt8]? {
            var result: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: count)
            while result.count < count {
                let got = recv(descriptor, &buffer, count - result.count, 0)
                guard got > 0 else { return nil }
                result += buffer[..<got]
            }
            return result
        }
    }

    let port: UInt16
    private let listener: Int32
    private let isOver = Watched(false)

    init(_ script: @escaping @Sendable (Dialogue) -> Void) {
        (listener, port) = Loopback.listen()
        let (listener, isOver) = (listener, isOver)
        Thread.detachNewThread {
            var index = 0
            while !isOver.now {
                guard Loopback.isReadable(listener, within: 20) else { continue }
                let descriptor = accept(listener, nil, nil)
                guard descriptor >= 0 else { continue }
                let dialogue = Dialogue(descriptor: descriptor, index: index)
                index += 1
                Thread.detachNewThread {
                    script(dialogue)
                    close(descriptor)
                }
            }
            close(listener)
        }
    }

    deinit { isOver.change { $0 = true } }
}
