/** Declarations that the guide's dashboard example assumes. */
interface MessageData {
  conversationId: string;
  content: string;
  sender: { userId: string; userName?: string; role: 'admin' | 'customer' | 'bot' };
  timestamp: string;
}
declare const input: HTMLInputElement;
declare function addMessageToUI(message: MessageData): void;
declare function showTyping(text: string): void;
declare function hideTyping(): void;
declare function updateStatus(state: 'connected' | 'disconnected' | 'reconnecting'): void;
