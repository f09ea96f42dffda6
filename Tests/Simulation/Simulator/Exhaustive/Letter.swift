import SyncProtocol

/// A message on its way through a ``SmallWorld``, encoded and decoded by the production's codec once.
struct Letter {
    /// A life of an agent's folder: each copy that begins to run is another.
    struct Sender: Hashable {
        let writer: Int
        let life: Int
    }

    private final class Content {
        let bytes: [UInt8]
        let session: UInt64
        let signature: Signature?
        let message: Message

        init(_ frame: Frame) {
            bytes = frame.encoded()
            do {
                let arrived = try Frame(decoding: bytes)
                guard let message = try Message(arrived) else {
                    preconditionFailure("a message of unknown kind")
                }
                (session, signature) = (arrived.session, arrived.signature)
                self.message = message
            } catch { preconditionFailure("a message that cannot be read: \(error)") }
        }
    }

    /// The agent's name, from or to.
    let name: Int
    let isUp: Bool
    let sender: Sender?
    /// Nonces and challenges in it, or under its signature.
    let names: FreshNames
    /// The challenge that a proof answers.
    let challenge: UInt8?
    let digest: StateDigest
    private let content: Content

    var message: Message { content.message }
    var session: UInt64 { content.session }
    var signature: Signature? { content.signature }

    /// To an agent.
    init(to name: Int, _ frame: Frame, names: [UInt8] = []) {
        self.init(name, isUp: false, nil, frame, names, nil)
    }

    /// - Parameter sender: where it matters whose proof it is.
    init(
        from name: Int, _ frame: Frame, names: [UInt8] = [], sender: Sender? = nil,
        challenge: UInt8? = nil
    ) {
        self.init(name, isUp: true, sender, frame, names, challenge)
    }

    private init(
        _ name: Int, isUp: Bool, _ sender: Sender?, _ frame: Frame, _ names: [UInt8],
        _ challenge: UInt8?
    ) {
        let content = Content(frame)
        self.name = name
        self.isUp = isUp
        self.sender = sender
        self.names = FreshNames(names)
        self.challenge = challenge
        self.content = content
        digest = StateDigest { hasher in
            hasher.combine(name)
            hasher.combine(sender)
            hasher.combine(content.bytes)
        }
    }

    /// For people.
    var words: String {
        switch message {
        case .hello(let hello): "hello (nonce \(hello.nonce[0]), last session \(hello.lastSession))"
        case .welcome(let welcome):
            "welcome (nonce \(welcome.nonce[0]), session \(welcome.session), "
                + "\(welcome.standing.name), announced \(welcome.announced.sequence))"
        case .proof(let proof):
            "proof (session \(session), head \(proof.head.sequence)"
                + (proof.passesAnnounced ? ")" : ", not by way of what was announced)")
        case .segments(let segments):
            "segments (session \(session), \(segments.segments.count) of them)"
        case .ack(let ack): "ack (session \(session), through \(ack.through.sequence))"
        case .needs(let needs):
            "needs (session \(session), after \(needs.gaps.map(\.after.sequence)))"
        default: "a message"
        }
    }
}
