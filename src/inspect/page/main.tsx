import { render } from 'preact';
import { App } from './app.jsx';
import { Store } from './connection.js';
import { STYLE } from './style.js';

const style = document.createElement('style');
style.textContent = STYLE;
document.head.append(style);
render(<App store={new Store()} />, document.getElementById('page')!);
