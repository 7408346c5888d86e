import { worksOverHttp } from './over-http.js';

worksOverHttp();
