import Synchronization

/// Changes the payloads of MQTT messages on their way between a client and a broker, who notice
/// nothing: the packets stay whole.
///
/// **Implementation.** It follows the packets of one connection (MQTT 3.1.1, section 2.2; 5.0, section
/// 3.3), and hands out whole packets only.
struct PublishTamper {
    /// From topic and payload to the payloads that go on in its place, as a message each.
    typealias Change = @Sendable (_ topic: String, _ payload: [UInt8]) -> [[UInt8]]

    private let change: Change
    private var waiting: [UInt8] = []
    private var isVersion5 = false

    init(_ change: @escaping Change) {
        self.change = change
    }

    /// - Returns: what may go on: the packets that are whole by now.
    mutating func pass(_ bytes: [UInt8]) -> [UInt8] {
        waiting += bytes
        var out: [UInt8] = []
        while let (headCount, bodyCount) = nextPacket(), waiting.count >= headCount + bodyCount {
            let head = Array(waiting[..<headCount])
            let body = Array(waiting[headCount..<headCount + bodyCount])
            waiting.removeFirst(headCount + bodyCount)
            out += packet(head, body)
        }
        return out
    }

    /// The lengths of the next packet's fixed header and of the rest; nil where too little has come.
    private func nextPacket() -> (head: Int, body: Int)? {
        guard let (length, count) = Self.variableLength(waiting, at: 1) else { return nil }
        return (1 + count, length)
    }

    private mutating func packet(_ head: [UInt8], _ body: [UInt8]) -> [UInt8] {
        let kind = head[0] >> 4
        if kind == 1, body.count > 6 { isVersion5 = body[6] == 5 }
        // A broker's answer has properties behind its two bytes in version 5 only.
        if kind == 2 { isVersion5 = body.count > 2 }
        guard kind == 3, let start = payloadStart(head[0], body) else { return head + body }
        let topicCount = Int(body[0]) << 8 | Int(body[1])
        let topic = String(decoding: body[2..<2 + topicCount], as: UTF8.self)
        return change(topic, Array(body[start...])).flatMap { payload in
            [head[0]] + Self.encoded(start + payload.count) + body[..<start] + payload
        }
    }

    private func payloadStart(_ first: UInt8, _ body: [UInt8]) -> Int? {
        guard body.count >= 2 else { return nil }
        var start = 2 + (Int(body[0]) << 8 | Int(body[1]))
        if first & 0b0110 != 0 { start += 2 }
        if isVersion5 {
            guard let (length, count) = Self.variableLength(body, at: start) else { return nil }
            start += count + length
        }
        return start <= body.count ? start : nil
    }

    private static func variableLength(_ bytes: [UInt8], at start: Int) -> (Int, count: Int)? {
        var value = 0
        for index in 0..<4 {
            guard start + index < bytes.count else { return nil }
            let byte = bytes[start + index]
            value |= Int(byte & 0x7F) << (7 * index)
            if byte < 0x80 { return (value, index + 1) }
        }
        return nil
    }

    private static func encoded(_ length: Int) -> [UInt8] {
        var rest = length
        var bytes: [UInt8] = []
        repeat {
            bytes.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
        return bytes
    }
}
